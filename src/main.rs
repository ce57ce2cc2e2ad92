//! The `rocketmq` program. What it can do is in `cli`.

mod cli;

/// Static programs of releases; elsewhere the C library's own is as fast.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
