//! stub
#[derive(Debug, clap::Args)]
pub(super) struct ConsumeArgs {}
pub(super) fn run(_: &ConsumeArgs) -> Result<bool, super::Error> {
    Ok(true)
}
