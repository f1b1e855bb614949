use std::process::ExitCode;

use anyhow::Context as _;

/// Run the live ROS 2 node.
///
/// Parameters, remappings and log levels are ROS arguments; `docs/parameters.md` lists the parameters.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  roadproof node --ros-args -p model:=models/nanodet-g.toml -p cameras:=[front] -p front.topic:=/image")]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args) -> anyhow::Result<ExitCode> {
    roadproof::ros::run().context("the node could not start")?;
    Ok(ExitCode::SUCCESS)
}
