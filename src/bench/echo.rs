//! stub
#[derive(Debug, clap::Args)]
pub(super) struct EchoArgs {}
pub(super) fn run(_: &EchoArgs) -> Result<bool, super::Error> {
    Ok(true)
}
