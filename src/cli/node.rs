use std::net::SocketAddr;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::Context as _;

/// Run the live ROS 2 node.
///
/// Parameters, remappings and log levels are ROS arguments; `docs/parameters.md` lists the parameters.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  roadproof node --ros-args -p model:=models/nanodet-g.toml -p cameras:=[front] -p front.topic:=/image
  roadproof node --dashboard 127.0.0.1:8080 --ros-args --params-file config/roadproof.yaml")]
pub(crate) struct Args {
    /// Serve a live page (cameras, classes, timelines, alarms) at this address; port 0 takes any that is free. An address that
    /// other machines reach shows the pictures to them. `off`, the default, serves none.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "off")]
    dashboard: Page,
}

/// Where the live page is, if anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    Off,
    At(SocketAddr),
}

impl FromStr for Page {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let address = text.parse().map(Self::At);
        address.map_err(|_| "expected ADDRESS:PORT, such as 127.0.0.1:8080, or off".into())
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let dashboard = match args.dashboard {
        Page::Off => None,
        Page::At(address) => Some(address),
    };
    roadproof::ros::run(dashboard).context("the node could not start")?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_off_or_at_an_address() {
        assert_eq!("off".parse(), Ok(Page::Off));
        assert_eq!("[::1]:0".parse(), Ok(Page::At(([0, 0, 0, 0, 0, 0, 0, 1], 0).into())));
        for wrong in ["", "on", "8080", "localhost:8080", "127.0.0.1", "127.0.0.1:70000"] {
            assert!(wrong.parse::<Page>().unwrap_err().contains("127.0.0.1:8080"), "{wrong}");
        }
    }
}
