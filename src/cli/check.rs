//! `cairnfs check`
/// .
#[derive(Debug, clap::Args)]
pub struct Args {}
/// .
pub fn run(_: &Args, _: &super::Context) -> anyhow::Result<u8> {
    Ok(0)
}
