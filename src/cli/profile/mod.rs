mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use roadproof::corruption::{Corruption, CorruptorOptions, RadiusMode, WeatherMode};
use roadproof::data::dataset::Dataset;
use roadproof::data::source::{SourceOptions, is_bag};
use roadproof::detector::ModelManifest;
use roadproof::evaluation::monitor::{ObservePlan, ProfileOptions, Subject, make_profile, observe};
use roadproof::health::Profile;
use roadproof::health::profile::AlarmSettings;

use super::evaluate::{bag_labels, corruptions, mapped, severities, warn, with_progress};

/// Some of every group: what differs in kind, not all of the published ones, each of which costs a pass for each severity.
const CORRUPTIONS: &str = "gaussian_noise,impulse_noise,defocus_blur,motion_blur,fog,frost,brightness,contrast,jpeg_compression,pixelate,low_light";

/// Make a model's baseline for the health figures: what its detections and images look like when all is well, and under corruptions.
///
/// SOURCE is a labelled dataset (YOLO, KITTI, COCO, BDD100K, a bag with labels) or a recording of one camera (bag, video, folder of
/// images). Calibration and accuracy need labels; without them the baseline compares with the clean frames' own detections. An
/// interrupted run goes on where it was when the same command is given again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  roadproof profile coco128/ --model models/nanodet-g.toml -o nanodet-g.profile.json
  roadproof profile val.json -m model.toml --images val/ --class-map classes.toml -o profile.json
  roadproof profile drive.mp4 -m model.toml --corruptions fog,low_light --severities 1,3,5 -o profile.json
  roadproof profile drive.mcap -m model.toml --topic /front/image_raw --held-out frost -o profile.json")]
pub(crate) struct Args {
    /// Labelled images, or a recording of one camera.
    source: PathBuf,
    /// Model manifest.
    #[arg(long, short, value_name = "TOML")]
    model: PathBuf,
    /// File for the profile.
    #[arg(long, short, value_name = "JSON")]
    output: PathBuf,
    /// What SOURCE is: `auto` takes it for a dataset where it has labels.
    #[arg(long, value_enum, default_value_t = Kind::Auto)]
    kind: Kind,
    /// Corruptions that the response curves are made of: names, groups (noise, blur, weather, digital, camera), `benchmark` (the
    /// published fifteen), `none`.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = CORRUPTIONS)]
    corruptions: Vec<String>,
    /// Severities of each, above 0 up to 5; between them curves are straight lines, so all published levels are the default.
    #[arg(long, value_name = "0..5", value_delimiter = ',', default_value = "1,2,3,4,5")]
    severities: Vec<f64>,
    /// Corruptions to be left out, to test the monitor with what its profile does not know.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "none")]
    held_out: Vec<String>,
    /// Lowest score that is counted; the node's `low_score_threshold` must be the same.
    #[arg(long, value_name = "0..1", default_value_t = 0.1)]
    low_score: f32,
    /// False alarms that a camera may have in 10 hours.
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    false_alarms: f64,
    /// Window of health that alarms are set for, seconds.
    #[arg(long, value_name = "S", default_value_t = 30)]
    window: u32,
    /// Frames per second that alarms are set for, and of a recording without stamps.
    #[arg(long, value_name = "HZ", default_value_t = 10.0)]
    rate: f64,
    /// Scale lengths of corruptions with the picture instead of taking the published pixels.
    #[arg(long)]
    relative_radius: bool,
    /// Folder of the images, where it does not follow from the dataset.
    #[arg(long, value_name = "FOLDER")]
    images: Option<PathBuf>,
    /// What the dataset's classes are called in the model; same names need no entry.
    #[arg(long, value_name = "TOML")]
    class_map: Option<PathBuf>,
    /// Of a bag: the topic of its images, where it has several.
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    /// Of a bag: the topic of its labels, `vision_msgs/Detection2DArray` with the stamps of the images.
    #[arg(long, value_name = "NAME")]
    truth_topic: Option<String>,
    /// Of a bag: a COCO file with its labels, whose images are named by their stamps in nanoseconds.
    #[arg(long, value_name = "JSON", conflicts_with = "truth_topic")]
    labels: Option<PathBuf>,
    /// Folder for what an interrupted run goes on from; if not given, beside the profile and named after it.
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// Where all randomness comes from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Frames at a time; 0 is one per core.
    #[arg(long, value_name = "N", default_value_t = 0)]
    workers: usize,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    session: super::SessionArgs,
}

/// What a source is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// A dataset where it has labels, a recording otherwise.
    Auto,
    /// Labelled images.
    Dataset,
    /// Frames that follow on one another, labelled or not.
    Recording,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let alarms = alarms(args)?;
    let manifest = ModelManifest::load(&args.model)?;
    let cache = args.cache.clone().unwrap_or_else(|| args.output.with_extension("cache"));
    let subject = subject(args, &manifest, &cache)?;
    let held_out = corruptions(&args.held_out)?;
    let chosen: Vec<Corruption> =
        corruptions(&args.corruptions)?.into_iter().filter(|chosen| !held_out.contains(chosen)).collect();
    let (workers, session) = args.session.shared_by(args.workers);
    let options = ProfileOptions {
        name: subject.name(),
        is_stream: matches!(subject, Subject::Recording { .. }),
        alarms,
    };
    let plan = ObservePlan {
        subject,
        model: manifest,
        low_score: args.low_score,
        corruptions: chosen,
        severities: severities(&args.severities)?,
        corruptor: CorruptorOptions {
            seed: args.seed,
            radius_mode: if args.relative_radius { RadiusMode::Relative } else { RadiusMode::Absolute },
            weather_mode: WeatherMode::Independent,
        },
        workers,
        session,
        cache: Some(cache),
    };
    let observation = with_progress(|progress| observe(&plan, progress))??;
    let profile = make_profile(&observation, &options)?;
    if let Some(folder) = args.output.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    profile.save(&args.output)?;
    // Read as the node reads it: what it would refuse is not handed out.
    let profile = Profile::load(&args.output)?;
    profile.check_fits(&observation.model, &observation.thresholds)?;
    if observation.rejected > 0 {
        eprintln!("roadproof: {} frames could not be used and are left out", observation.rejected);
    }
    if args.json {
        println!("{:#}", table::json(&profile, &args.output));
    } else {
        print!("{}", table::summary(&profile));
        eprintln!("{} holds everything", args.output.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn alarms(args: &Args) -> anyhow::Result<AlarmSettings> {
    if !(args.false_alarms > 0.0 && args.false_alarms <= 1000.0) {
        bail!("--false-alarms: expected a number above 0 up to 1000, found {}", args.false_alarms);
    }
    if !(0.001..=10_000.0).contains(&args.rate) {
        bail!("--rate: expected frames per second from 0.001 to 10000, found {}", args.rate);
    }
    let window = roadproof::health::WindowConfig {
        window_s: args.window,
        ..roadproof::health::WindowConfig::default()
    };
    window.validate()?;
    Ok(AlarmSettings {
        false_alarms_per_10h: args.false_alarms,
        frame_rate_hz: args.rate,
        window_s: args.window,
    })
}

fn subject(args: &Args, manifest: &ModelManifest, cache: &Path) -> anyhow::Result<Subject> {
    let has_labels = if is_bag(&args.source) {
        args.truth_topic.is_some() || args.labels.is_some()
    } else {
        Dataset::is_at(&args.source)
    };
    let is_dataset = match args.kind {
        Kind::Auto => has_labels,
        Kind::Dataset => true,
        Kind::Recording => false,
    };
    if !is_dataset {
        let options =
            SourceOptions { topics: args.topic.iter().cloned().collect(), rate_hz: Some(args.rate) };
        return Ok(Subject::Recording { path: args.source.clone(), options });
    }
    let dataset = if is_bag(&args.source) {
        let labels = bag_labels(args.truth_topic.as_deref(), args.labels.as_deref()).with_context(|| {
            format!(
                "{}: a bag that is a dataset needs labels: --truth-topic NAME or --labels COCO.json",
                args.source.display()
            )
        })?;
        Dataset::open_bag(&args.source, args.topic.as_deref(), &labels, &cache.join("frames"))?
    } else {
        Dataset::open(&args.source, args.images.as_deref())?
    };
    warn(&dataset);
    Ok(Subject::Dataset(mapped(dataset, args.class_map.as_deref(), manifest.class_names())?))
}
