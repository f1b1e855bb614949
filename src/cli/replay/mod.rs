mod bag;
mod sink;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use roadproof::corruption::{Campaign, CorruptorOptions, RadiusMode, Step, WeatherMode};
use roadproof::dashboard::{Dashboard, Facts};
use roadproof::data::bag::cdr::{DETECTIONS_TYPE, Detection2DArray};
use roadproof::data::bag::{BagReader, TopicFilter};
use roadproof::data::source::{self, SourceOptions};
use roadproof::detector::{Detector, ModelInfo, ModelManifest};
use roadproof::evaluation::IouThreshold;
use roadproof::health::{Profile, WindowConfig};
use roadproof::image::DecodeLimits;
use roadproof::pipeline::Pipeline;
use roadproof::replay::{Injection, Options, RecordedTruth, replay};
use roadproof::truth::TruthConfig;
use serde_json::json;

use sink::FileSink;

/// Run the pipeline on a recording: a bag, a video, a folder of images.
///
/// Writes detections.jsonl, health.jsonl and summary.json into the output folder, with --truth-topic
/// `ground_truth.jsonl`. Two runs give the same bytes at any number of
/// workers.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
#[command(after_help = "Examples:
  roadproof replay drive.mp4 --model models/nanodet-g.toml -o out/
  roadproof replay drive.mcap -m models/nanodet-g.toml -o out/ --bag out/with_detections.mcap
  roadproof replay drive.mcap -m models/nanodet-g.toml -o out/ --topic /front/image_raw --truth-topic /truth
  roadproof replay images/ -m models/nanodet-g.toml -o out/ --corruption fog:2.5 --seed 7
  roadproof replay drive.mp4 -m models/nanodet-g.toml -o out/ --campaign config/campaigns/fog-ramp.toml --annotate")]
pub(crate) struct Args {
    /// Recording: bag, video, folder of images, or an image.
    source: PathBuf,
    /// Model manifest.
    #[arg(long, short, value_name = "TOML")]
    model: PathBuf,
    /// Folder for the results.
    #[arg(long, short, value_name = "FOLDER")]
    output: PathBuf,
    /// Image topics of a bag; all of them if not given.
    #[arg(long = "topic", value_name = "NAME")]
    topics: Vec<String>,
    /// Corruption with its severity; may be given several times, applied in order.
    #[arg(long = "corruption", value_name = "NAME:SEVERITY", conflicts_with = "campaign")]
    corruptions: Vec<Step>,
    /// Campaign of corruptions; it begins with the first frame.
    #[arg(long, value_name = "TOML")]
    campaign: Option<PathBuf>,
    /// Seed of the corruptions.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Scale lengths of corruptions with the picture instead of taking the published pixels.
    #[arg(long)]
    relative_radius: bool,
    /// Let weather move over the frames instead of drawing it anew for each.
    #[arg(long)]
    coherent_weather: bool,
    /// Lowest score; the manifest's if not given.
    #[arg(long, value_name = "0..1")]
    score: Option<f32>,
    /// Health profile of the model, from `roadproof profile`; without one health tells figures but compares with nothing.
    #[arg(long, value_name = "JSON")]
    profile: Option<PathBuf>,
    /// Window of health, seconds.
    #[arg(long, value_name = "S", default_value_t = WindowConfig::default().window_s)]
    window: u32,
    /// Of a bag with one camera: the topic of what is really there (`vision_msgs/Detection2DArray` with the stamps of the
    /// images), to tell precision, recall and AP beside their estimates.
    #[arg(long, value_name = "NAME")]
    truth_topic: Option<String>,
    /// With --truth-topic: frames in the window of these figures.
    #[arg(long, value_name = "FRAMES", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    truth_window: u32,
    /// With --truth-topic: IoU from which a published detection is right: 0.5, 0.55 … 0.95.
    #[arg(long, value_name = "IOU", default_value_t = 0.5)]
    truth_iou: f64,
    /// Frames per second of a source without stamps; 30, or the video's own, if not given.
    #[arg(long, value_name = "HZ")]
    rate: Option<f64>,
    /// Frames at a time; 0 is one per core.
    #[arg(long, value_name = "N", default_value_t = 0)]
    workers: usize,
    /// Play at the recording's own speed.
    #[arg(long)]
    realtime: bool,
    /// Write a video for each camera with the detections drawn in.
    #[arg(long)]
    annotate: bool,
    /// Write a bag with what the recording holds, detections and health; a name that ends in .mcap is a file, any other a folder.
    #[arg(long, value_name = "PATH")]
    bag: Option<PathBuf>,
    /// Serve a live page (cameras, classes, timelines, alarms) at this address while it plays; best with --realtime.
    #[arg(long, value_name = "ADDRESS:PORT")]
    dashboard: Option<SocketAddr>,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    session: super::SessionArgs,
}

/// Frames on their way for each worker.
const READ_AHEAD: usize = 4;

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(rate) = args.rate.filter(|rate| !(0.001..=10_000.0).contains(rate)) {
        bail!("--rate: expected frames per second from 0.001 to 10000, found {rate}");
    }
    let options = SourceOptions { topics: args.topics.clone(), rate_hz: args.rate };
    let mut source = source::open(&args.source, &options)?;
    let manifest = ModelManifest::load(&args.model)?;
    let mut thresholds = manifest.thresholds();
    if let Some(score) = args.score {
        thresholds.publish_from(score);
    }
    let profile = args.profile.as_deref().map(Profile::load).transpose()?.map(Arc::new);
    if let Some(profile) = &profile {
        // Figures compare only where they are counted from the same score.
        thresholds.low_score = profile.source.low_score;
    }
    thresholds.validate(manifest.class_names().len())?;
    let (workers, session) = args.session.shared_by(args.workers);
    let cameras = source.cameras().to_vec();
    let mut pipelines = Vec::new();
    for _ in 0..workers {
        let detector = Detector::load(&manifest, &session, &mut |_| ())?;
        pipelines.push(Pipeline::new(detector, cameras.len(), DecodeLimits::default()));
    }
    let info =
        pipelines.first().map(|pipeline| pipeline.detector().info().clone()).context("there is no worker")?;
    if let Some(profile) = &profile {
        profile.check_fits(&info, &thresholds)?;
    }
    let truth = args.truth_topic.as_deref().map(|topic| truth(args, topic, &cameras)).transpose()?;
    let options = Options {
        thresholds,
        injection: injection(args)?,
        corruptor: corruptor(args),
        health: WindowConfig { window_s: args.window, ..WindowConfig::default() },
        profile,
        truth,
        read_ahead: workers * READ_AHEAD,
        is_realtime: args.realtime,
        annotate: args.annotate || args.dashboard.is_some(),
    };
    if options.injection != Injection::Nothing {
        eprintln!("roadproof: corruptions are injected; the detections are those of corrupted frames");
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} frames, {per_sec}, {eta} left")?;
    let bar = ProgressBar::new(source.frame_count().unwrap_or(0)).with_style(style);
    let mut sink = FileSink::new(&args.output, args.annotate.then(|| rate(args)), bar)?;
    if options.truth.is_some() {
        sink.with_truth()?;
    }
    let recorded = match &args.bag {
        Some(_) if source::is_bag(&args.source) => Some(BagReader::open(&args.source)?),
        _ => None,
    };
    if let Some(path) = &args.bag {
        let model =
            bag::Model { info: &info, thresholds: &options.thresholds, profile: options.profile.as_deref() };
        sink.bag = Some(bag::BagSink::new(path, recorded.as_ref(), &cameras, model)?);
    }
    if let Some(address) = args.dashboard {
        sink.dashboard = Some(dashboard(address, &info, options.profile.as_deref(), &cameras)?);
    }
    let start = Instant::now();
    let counts = replay(source.as_mut(), pipelines, &options, &mut sink)?;
    let seconds = start.elapsed().as_secs_f64();
    let written = sink.finish()?;
    let loss = source.loss();
    let summary = json!({
        "source": args.source, "cameras": cameras, "model": info.name, "model_sha256": info.sha256, "provider": info.provider,
        "corruptions": args.corruptions.iter().map(Step::to_string).collect::<Vec<_>>(), "campaign": args.campaign,
        "seed": args.seed, "frames": counts, "loss": loss, "workers": workers, "seconds": seconds,
        "frames_per_second": counts.read as f64 / seconds,
    });
    let path = args.output.join("summary.json");
    std::fs::write(&path, format!("{summary:#}\n"))
        .with_context(|| format!("cannot write {}", path.display()))?;
    if args.json {
        println!("{summary:#}");
    } else {
        println!(
            "{} frames in {seconds:.1} s ({:.1} per second): {} processed, {} dropped by corruptions, {} rejected",
            counts.read,
            counts.read as f64 / seconds,
            counts.processed,
            counts.dropped,
            counts.rejected
        );
        println!("{}", written.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "));
    }
    if let Some(loss) = loss {
        eprintln!("roadproof: the recording is damaged: {loss}");
    }
    if counts.processed == 0 && counts.dropped == 0 {
        bail!("none of the {} frames could be used; {} says why", counts.read, written_first(&written));
    }
    Ok(ExitCode::SUCCESS)
}

/// The ground truth of a bag's only camera.
fn truth(args: &Args, topic: &str, cameras: &[String]) -> anyhow::Result<RecordedTruth> {
    let path = &args.source;
    if !source::is_bag(path) {
        bail!("--truth-topic: expected a bag, found {}", path.display());
    }
    if cameras.len() > 1 {
        bail!("--truth-topic: the bag has several cameras, choose one with --topic: {}", cameras.join(", "));
    }
    let iou = IouThreshold::new(args.truth_iou).with_context(|| {
        format!("--truth-iou: expected one of 0.5, 0.55 … 0.95, found {}", args.truth_iou)
    })?;
    let bag = BagReader::open(path)?;
    bag.topic(topic, DETECTIONS_TYPE)?;
    let messages = bag.messages(TopicFilter::only([topic]));
    let messages = messages.map(|message| Ok(Detection2DArray::decode(&message?.data)));
    let config = TruthConfig { window_frames: args.truth_window as usize, iou, wait_ns: i64::MAX };
    Ok(RecordedTruth { config, messages: messages.collect::<anyhow::Result<_>>()? })
}

fn dashboard(
    address: SocketAddr,
    info: &ModelInfo,
    profile: Option<&Profile>,
    cameras: &[String],
) -> anyhow::Result<Dashboard> {
    let dashboard = Dashboard::start(address)?;
    eprintln!("roadproof: dashboard: http://{}", dashboard.address());
    dashboard.begin(Facts::new(info, profile, cameras.to_vec()));
    Ok(dashboard)
}

fn written_first(written: &[PathBuf]) -> String {
    written.first().map_or_else(String::new, |path| path.display().to_string())
}

/// Frames per second of annotated videos, where the source does not say.
fn rate(args: &Args) -> f64 {
    args.rate.unwrap_or(30.0)
}

fn injection(args: &Args) -> anyhow::Result<Injection> {
    if let Some(path) = &args.campaign {
        return Ok(Injection::Campaign(Box::new(Campaign::load(Path::new(path))?)));
    }
    let steps = &args.corruptions;
    Ok(if steps.is_empty() { Injection::Nothing } else { Injection::Steps(steps.clone()) })
}

fn corruptor(args: &Args) -> CorruptorOptions {
    CorruptorOptions {
        seed: args.seed,
        radius_mode: if args.relative_radius { RadiusMode::Relative } else { RadiusMode::Absolute },
        weather_mode: if args.coherent_weather { WeatherMode::Coherent } else { WeatherMode::Independent },
    }
}
