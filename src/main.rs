//! The `rocketmq` program. What it can do is in `cli`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
