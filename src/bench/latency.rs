//! stub
#[derive(Debug, clap::Args)]
pub(super) struct LatencyArgs {}
pub(super) fn run(_: &LatencyArgs) -> Result<bool, super::Error> {
    Ok(true)
}
