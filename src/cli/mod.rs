//! One subcommand, one file.

mod bag;
mod bench;
mod compress;
mod corrupt;
mod detect;
mod evaluate;
mod model;
#[cfg(feature = "ros")]
mod node;
mod profile;
mod replay;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use roadproof::detector::{Fallback, GpuPath, MinShare, Provider, ProviderPolicy, SessionOptions};

/// A compressed object detector for vehicles that knows, for every class, when it is failing.
#[derive(Debug, Parser)]
#[command(name = "roadproof", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the live ROS 2 node (the default where ROS arguments are given).
    #[cfg(feature = "ros")]
    Node(node::Args),
    /// Detect objects in image files.
    Detect(detect::Args),
    /// Corrupt an image, a folder of images, a video or a bag.
    Corrupt(corrupt::Args),
    /// Measure accuracy on a labelled dataset, under corruptions, and compare models.
    Evaluate(evaluate::Args),
    /// Make a model's baseline for the health figures.
    Profile(profile::Args),
    /// Make a smaller, faster variant of a model.
    Compress(compress::Args),
    /// Run the pipeline on a recording.
    Replay(replay::Args),
    /// Measure how fast models are: stage by stage, or behind cameras.
    Bench(Box<bench::Args>),
    /// Look into a model.
    #[command(subcommand)]
    Model(model::Command),
    /// Look into bags of ROS 2, or copy them.
    #[command(subcommand)]
    Bag(bag::Command),
    /// Make a report.json readable, or compare two.
    Report(report::Args),
}

/// How a GPU is used; shared by the subcommands that run a model.
#[derive(Debug, clap::Args)]
struct GpuArgs {
    /// Number of the GPU.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(i32).range(0..))]
    device_id: i32,
    /// Folder where the engines of tensorrt and `nv_tensorrt_rtx` are kept; without it they are built at every start.
    #[arg(long, value_name = "FOLDER")]
    engine_cache: Option<PathBuf>,
    /// Let tensorrt compute in half precision.
    #[arg(long)]
    trt_fp16: bool,
    /// Smallest share of the model's nodes that must run on the provider, unless that is cpu.
    #[arg(long, value_name = "0..1", default_value_t = MinShare::default())]
    min_share: MinShare,
    /// Whether images are prepared and candidates picked on the GPU: auto (where the model runs on one), require, off.
    #[arg(long, value_name = "WHEN", default_value_t = GpuPath::Auto)]
    gpu_path: GpuPath,
    /// Replay the model as a CUDA graph where the provider can.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    cuda_graph: bool,
    /// Let cuda compute convolutions on channels-last tensors with fused biases.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    channels_last: bool,
    /// Threads that copy an image to memory from where the GPU takes it; 0 chooses by the machine's cores.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=64))]
    upload_threads: u8,
    /// A further option of a provider, passed on to ONNX Runtime, such as `cuda.prefer_nhwc=1`; may be given several times.
    #[arg(long = "provider-option", value_name = "PROVIDER.KEY=VALUE", value_parser = key_and_value)]
    provider_options: Vec<(String, String)>,
}

/// `key=value`.
fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) =
        text.split_once('=').ok_or_else(|| format!("expected PROVIDER.KEY=VALUE, found `{text}`"))?;
    Ok((key.to_owned(), value.to_owned()))
}

impl GpuArgs {
    fn options(&self) -> SessionOptions {
        SessionOptions {
            device_id: self.device_id,
            engine_cache: self.engine_cache.clone(),
            trt_fp16: self.trt_fp16,
            min_share: self.min_share,
            gpu_path: self.gpu_path,
            cuda_graph: self.cuda_graph,
            channels_last: self.channels_last,
            upload_threads: usize::from(self.upload_threads),
            provider_options: self.provider_options.iter().cloned().collect(),
            ..SessionOptions::default()
        }
    }
}

/// What computes; shared by the subcommands that run a model.
#[derive(Debug, clap::Args)]
struct SessionArgs {
    /// Execution providers in order of preference: tensorrt, `nv_tensorrt_rtx`, cuda, cpu.
    #[arg(long = "provider", value_name = "NAME", default_value = "cpu", value_delimiter = ',')]
    providers: Vec<Provider>,
    /// Take the first of the providers that comes up, instead of requiring all of them.
    #[arg(long)]
    prefer: bool,
    /// Threads inside one operator on the CPU; 0 leaves the choice to ONNX Runtime.
    #[arg(long, value_name = "N", default_value_t = 0)]
    intra_op_threads: usize,
    #[command(flatten)]
    gpu: GpuArgs,
}

impl SessionArgs {
    fn options(&self) -> SessionOptions {
        let fallback = if self.prefer { Fallback::Prefer } else { Fallback::Require };
        SessionOptions {
            providers: ProviderPolicy { order: self.providers.clone(), fallback },
            intra_op_threads: self.intra_op_threads,
            ..self.gpu.options()
        }
    }

    /// How many workers there are (`wanted`, or one per core for 0), and the session of each, which has its share of the cores.
    fn shared_by(&self, wanted: usize) -> (usize, SessionOptions) {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = if wanted == 0 { cores } else { wanted };
        let mut session = self.options();
        if session.intra_op_threads == 0 {
            session.intra_op_threads = (cores / workers).max(1);
        }
        (workers, session)
    }
}

/// Runs the command line; the first of `arguments` is the program.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> anyhow::Result<ExitCode> {
    // What OpenCV does to a frame takes a fraction of a millisecond: handing that to a thread pool costs more than
    // it gains, and the cores belong to the network.
    opencv::core::set_num_threads(1)?;
    match Cli::parse_from(without_ros(arguments)).command {
        #[cfg(feature = "ros")]
        Command::Node(args) => node::run(&args),
        Command::Detect(args) => {
            log_to_stderr();
            detect::run(&args)
        }
        Command::Corrupt(args) => {
            log_to_stderr();
            corrupt::run(&args)
        }
        Command::Evaluate(args) => {
            log_to_stderr();
            evaluate::run(&args)
        }
        Command::Profile(args) => {
            log_to_stderr();
            profile::run(&args)
        }
        Command::Compress(args) => {
            log_to_stderr();
            compress::run(&args)
        }
        Command::Replay(args) => {
            log_to_stderr();
            replay::run(&args)
        }
        Command::Bench(args) => {
            log_to_stderr();
            bench::run(&args)
        }
        Command::Model(command) => {
            log_to_stderr();
            model::run(&command)
        }
        Command::Bag(command) => {
            log_to_stderr();
            bag::run(&command)
        }
        Command::Report(args) => {
            log_to_stderr();
            report::run(&args)
        }
    }
}

/// The arguments without those that are rcl's: everything from `--ros-args` to `--` or the end. A command
/// line of only ROS arguments, as launch files make it, means the node.
fn without_ros(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut ours = Vec::new();
    let (mut ros, mut any_ros) = (false, false);
    for argument in arguments {
        match argument.as_str() {
            "--ros-args" => (ros, any_ros) = (true, true),
            "--" if ros => ros = false,
            _ if ros => {}
            _ => ours.push(argument),
        }
    }
    if any_ros && ours.len() == 1 {
        ours.push("node".to_owned());
    }
    ours
}

/// Progress and warnings of the tools go to standard error, so that standard output is the result alone.
/// `ROADPROOF_LOG` sets the level (`info`, `debug`, …).
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("ROADPROOF_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    subscriber.without_time().with_target(false).init();
}

/// Points of 100 with one decimal; a dash for what is not known.
fn points(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{:.1}", value * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Vec<String> {
        without_ros(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn ros_arguments_are_left_to_ros() {
        assert_eq!(split("roadproof node --ros-args -p a:=b -- -x"), ["roadproof", "node", "-x"]);
        assert_eq!(split("roadproof --ros-args -r __node:=n"), ["roadproof", "node"]);
        assert_eq!(split("roadproof"), ["roadproof"]);
        assert_eq!(
            split("roadproof detect -- --odd-name.jpg"),
            ["roadproof", "detect", "--", "--odd-name.jpg"]
        );
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
