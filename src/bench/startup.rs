//! stub
#[derive(Debug, clap::Args)]
pub(super) struct StartupArgs {}
pub(super) fn run(_: &StartupArgs) -> Result<bool, super::Error> {
    Ok(true)
}
