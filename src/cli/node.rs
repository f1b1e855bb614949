use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use roadproof::dashboard::Dashboard;

/// Run the live ROS 2 node.
///
/// Parameters, remappings and log levels are ROS arguments; `docs/parameters.md` lists the parameters.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  roadproof node --ros-args -p model:=models/nanodet-g.toml -p cameras:=[front] -p front.topic:=/image
  roadproof node --dashboard 127.0.0.1:8080 --ros-args --params-file config/roadproof.yaml")]
pub(crate) struct Args {
    /// Serve a live page (cameras, classes, timelines, alarms) at this address; port 0 takes any that is free. An address that
    /// other machines reach shows the pictures to them.
    #[arg(long, value_name = "ADDRESS:PORT")]
    dashboard: Option<SocketAddr>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let dashboard = args.dashboard.map(Dashboard::start).transpose()?;
    roadproof::ros::run(dashboard).context("the node could not start")?;
    Ok(ExitCode::SUCCESS)
}
