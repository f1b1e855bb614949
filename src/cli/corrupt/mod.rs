//! `roadproof corrupt`.

mod bag;
mod gallery;
mod images;
mod timing;
mod video;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use roadproof::corruption::{
    Corruption, Corruptor, CorruptorOptions, Delivery, FrameKey, Picture, RadiusMode, Step, WeatherMode,
};
use roadproof::data::is_image_file;
use roadproof::data::source::is_bag;
use serde_json::json;

/// Corrupt an image, a folder of images or a video, reproducibly.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  roadproof corrupt street.jpg --corruption fog:2.5 --corruption gaussian_noise:1 --seed 7 -o foggy.png
  roadproof corrupt images/ --corruption snow:3 -o snowy/
  roadproof corrupt drive.mp4 --corruption rain:2 --weather coherent -o rainy.mp4
  roadproof corrupt drive.mcap --corruption gaussian_noise:2 -o noisy.mcap
  roadproof corrupt --gallery photo.jpg -o gallery.png
  roadproof corrupt photo.jpg --time 50 --threads 1
  roadproof corrupt --list")]
pub(crate) struct Args {
    /// Image (JPEG, PNG), folder of images, video, or bag (MCAP, db3).
    #[arg(required_unless_present_any = ["list", "gallery"])]
    input: Option<PathBuf>,
    /// Where the result goes: of the same kind as the input. Videos are written as MPEG-4, bags as
    /// MCAP.
    #[arg(long, short, value_name = "PATH", required_unless_present_any = ["list", "time"])]
    output: Option<PathBuf>,
    /// Corruption with its severity, 0 to 5; may be given several times, applied in order.
    #[arg(long = "corruption", value_name = "NAME:SEVERITY")]
    corruptions: Vec<Step>,
    /// Where all randomness comes from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Lengths in pixels as published, or in proportion to the picture.
    #[arg(long, value_enum, default_value = "absolute")]
    radius: Radius,
    /// Weather drawn anew for every frame, or moving over the frames.
    #[arg(long, value_enum, default_value = "independent")]
    weather: Weather,
    /// Threads; 0 is one per core. The result does not depend on them.
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// Write one sheet of everything at every level instead.
    #[arg(long, value_name = "IMAGE", conflicts_with = "input")]
    gallery: Option<PathBuf>,
    /// List the corruptions.
    #[arg(long)]
    list: bool,
    /// Measure instead: how long each --corruption takes on the image, this many times each; all of them at severity 3
    /// where none is given.
    #[arg(long, value_name = "TIMES", conflicts_with_all = ["gallery", "list"])]
    time: Option<u32>,
    /// Write JSON (with --list and --time).
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Radius {
    Absolute,
    Relative,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Weather {
    Independent,
    Coherent,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    rayon::ThreadPoolBuilder::new().num_threads(args.threads).build_global()?;
    if args.list {
        list(args.json);
        return Ok(ExitCode::SUCCESS);
    }
    if let (Some(times), Some(input)) = (args.time, &args.input) {
        return timing::run(args, input, times);
    }
    let output = args.output.as_deref().context("--output is missing")?;
    if let Some(photo) = &args.gallery {
        gallery::write(args, photo, output)?;
        return Ok(ExitCode::SUCCESS);
    }
    let input = args.input.as_deref().context("the input is missing")?;
    if args.corruptions.is_empty() {
        bail!("nothing to do: give at least one --corruption NAME:SEVERITY (--list shows the names)");
    }
    if let (Ok(from), Ok(to)) = (input.canonicalize(), output.canonicalize())
        && from == to
    {
        bail!(
            "the output {} is the input: give it another name, the originals are not overwritten",
            output.display()
        );
    }
    if is_bag(input) {
        return bag::corrupt(args, input, output);
    }
    if input.is_dir() || is_image_file(input) {
        images::corrupt(args, input, output)
    } else {
        video::corrupt(args, input, output)
    }
}

impl Args {
    fn corruptor(&self) -> Corruptor {
        Corruptor::new(CorruptorOptions {
            seed: self.seed,
            radius_mode: match self.radius {
                Radius::Absolute => RadiusMode::Absolute,
                Radius::Relative => RadiusMode::Relative,
            },
            weather_mode: match self.weather {
                Weather::Independent => WeatherMode::Independent,
                Weather::Coherent => WeatherMode::Coherent,
            },
        })
    }
}

/// The key of frame `index`; frames without stamps of their own are taken to come at 30 a second.
fn key(index: u64) -> FrameKey {
    FrameKey { camera: 0, index, stamp_ns: i64::try_from(index).unwrap_or(0) * 33_333_333 }
}

/// Corrupts `picture`; false if it was dropped.
fn apply(
    corruptor: &mut Corruptor,
    picture: &mut Picture,
    steps: &[Step],
    index: u64,
) -> anyhow::Result<bool> {
    Ok(corruptor.corrupt(picture, steps, key(index))? == Delivery::Deliver)
}

fn list(as_json: bool) {
    if as_json {
        let all: Vec<_> = Corruption::ALL
            .iter()
            .map(|c| json!({ "name": c.name(), "group": c.group(), "benchmark": c.is_benchmark(), "description": c.description() }))
            .collect();
        println!("{:#}", json!(all));
        return;
    }
    for corruption in Corruption::ALL {
        let benchmark = if corruption.is_benchmark() { "*" } else { " " };
        let group = corruption.group().name();
        println!("{:<20} {group:<8} {benchmark} {}", corruption.name(), corruption.description());
    }
    println!("\n* one of the fifteen over which mPC is defined (arXiv 1907.07484)");
}
