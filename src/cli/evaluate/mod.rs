mod monitor;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use roadproof::corruption::{Corruption, Group, Severity};
use roadproof::data::dataset::{BagLabels, ClassMap, Dataset, read_detections};
use roadproof::data::source::is_bag;
use roadproof::detector::ModelManifest;
use roadproof::evaluation::study::{self, Plan, Progress, StudyImages, score_detections};
use roadproof::evaluation::{Found, Rect};

/// Fewest resamples that an interval of 95 % can be read from.
const LEAST_BOOTSTRAP: u32 = 100;

/// Measure accuracy on a labelled dataset: class by class, corruption by corruption, the worst class first.
///
/// DATASET is a folder in the layout of YOLO (images/, labels/, classes.txt) or KITTI (`image_2`/, `label_2`/), or a JSON file of COCO or
/// BDD100K, or a bag with labels. The model that the others were made from (or the first, or the one named by --base) is what they are compared with. An interrupted study goes on where it
/// was when the same command is given again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  roadproof evaluate coco128/ --model models/nanodet-g.toml
  roadproof evaluate coco128/ -m fp32.toml -m int8.toml --corruptions benchmark --severities 1,3,5 -o study/
  roadproof evaluate val.json -m model.toml --images val/ --class-map classes.toml --corruptions fog,gaussian_noise
  roadproof evaluate drive.mcap -m model.toml --topic /front/image_raw --truth-topic /truth
  roadproof evaluate coco128/ -m model.toml --monitor profile.json --corruptions benchmark --severities 1,2,3,4
  roadproof evaluate instances.json --detections results.json")]
pub(crate) struct Args {
    /// Labelled images.
    dataset: PathBuf,
    /// Model manifest; may be given several times.
    #[arg(long = "model", short, value_name = "TOML", required_unless_present = "detections")]
    models: Vec<PathBuf>,
    /// Name of the model that the others are compared with; if not given, the one that others say they were made from, or
    /// else the first.
    #[arg(long, value_name = "NAME")]
    base: Option<String>,
    /// Corruptions: names, groups (noise, blur, weather, digital, camera), `benchmark` (the published fifteen), `none`.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "none")]
    corruptions: Vec<String>,
    /// Severities of each corruption, above 0 up to 5.
    #[arg(long, value_name = "0..5", value_delimiter = ',', default_value = "1,3,5")]
    severities: Vec<f64>,
    /// Folder of the images, where it does not follow from the dataset.
    #[arg(long, value_name = "FOLDER")]
    images: Option<PathBuf>,
    /// Of a bag: the topic of its images, where it has several.
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    /// Of a bag: the topic of its labels, `vision_msgs/Detection2DArray` with the stamps of the images.
    #[arg(long, value_name = "NAME")]
    truth_topic: Option<String>,
    /// Of a bag: a COCO file with its labels, whose images are named by their stamps in nanoseconds.
    #[arg(long, value_name = "JSON", conflicts_with = "truth_topic")]
    labels: Option<PathBuf>,
    /// What the dataset's classes are called in the model; same names need no entry.
    #[arg(long, value_name = "TOML")]
    class_map: Option<PathBuf>,
    /// Lowest score of a detection that counts.
    #[arg(long, value_name = "0..1", default_value_t = 0.02)]
    score: f32,
    /// Instances that a class needs to be called the worst.
    #[arg(long, value_name = "N", default_value_t = 10)]
    min_support: usize,
    /// Resamples of the images behind each interval and p-value: 100 or more; with --detections 0 leaves the interval out.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    bootstrap: u32,
    /// Where all randomness comes from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Images at a time; 0 is one per core.
    #[arg(long, value_name = "N", default_value_t = 0)]
    workers: usize,
    /// Folder for report.json and for what an interrupted study goes on from.
    #[arg(long, short, value_name = "FOLDER", default_value = "roadproof-study")]
    output: PathBuf,
    /// Score detections of COCO's results format instead of running a model; DATASET is COCO's JSON then.
    #[arg(long, value_name = "JSON", conflicts_with = "models")]
    detections: Option<PathBuf>,
    /// Profile of the model: measure as well how good the health figures are that compare with it. Corruptions that the
    /// profile does not know are held out.
    #[arg(long, value_name = "JSON", conflicts_with = "detections")]
    monitor: Option<PathBuf>,
    /// With --monitor: windows drawn from each condition, of 30, 100 and 300 frames each.
    #[arg(long, value_name = "N", default_value_t = 20)]
    monitor_draws: usize,
    /// With --monitor: simulated hours of clean frames in which false alarms are counted; 0 leaves alarms out.
    #[arg(long, value_name = "H", default_value_t = 24.0)]
    monitor_hours: f64,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    session: super::SessionArgs,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.bootstrap < LEAST_BOOTSTRAP && (args.bootstrap > 0 || args.detections.is_none()) {
        bail!("--bootstrap: expected at least {LEAST_BOOTSTRAP}, found {}", args.bootstrap);
    }
    if let Some(detections) = &args.detections {
        return score(args, detections);
    }
    let dataset = open(args)?;
    warn(&dataset);
    let manifests: Vec<ModelManifest> =
        args.models.iter().map(ModelManifest::load).collect::<Result<_, _>>()?;
    let first = manifests.first().context("no model is given")?;
    let images = mapped(dataset, args.class_map.as_deref(), first.class_names())?;
    let base = match &args.base {
        None => base_of_others(&manifests),
        Some(name) => manifests.iter().position(|model| model.name == *name).with_context(|| {
            let names: Vec<&str> = manifests.iter().map(|model| model.name.as_str()).collect();
            format!("--base {name}: no model of this name is given; there are {}", names.join(", "))
        })?,
    };
    if !(0.0..1.0).contains(&args.score) || args.score <= 0.0 {
        bail!("--score: expected a number above 0 and below 1, found {}", args.score);
    }
    let (workers, session) = args.session.shared_by(args.workers);
    let plan = Plan {
        images,
        models: manifests,
        base,
        corruptions: corruptions(&args.corruptions)?,
        severities: severities(&args.severities)?,
        seed: args.seed,
        score: args.score,
        min_support: args.min_support,
        bootstrap: args.bootstrap as usize,
        workers,
        session,
        cache: Some(args.output.join("cache")),
    };
    let profile = args.monitor.as_deref().map(|path| monitor::profile(args, path, &plan)).transpose()?;
    let mut study = with_progress(|progress| study::run(&plan, progress))??;
    study.monitor = profile.map(|profile| monitor::run(args, &plan, &profile)).transpose()?;
    std::fs::create_dir_all(&args.output)
        .with_context(|| format!("cannot make the folder {}", args.output.display()))?;
    let report = args.output.join("report.json");
    let text = serde_json::to_string_pretty(&study)? + "\n";
    let partial = report.with_extension("json.part");
    std::fs::write(&partial, &text).with_context(|| format!("cannot write {}", partial.display()))?;
    std::fs::rename(&partial, &report).with_context(|| format!("cannot write {}", report.display()))?;
    if args.json {
        print!("{text}");
    } else {
        print!("{}", table::summary(&study));
        if let Some(monitor) = &study.monitor {
            print!("{}", monitor::table(monitor));
        }
        eprintln!("{} holds everything", report.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The model that another one's manifest says it was made from; the first if there is none.
fn base_of_others(manifests: &[ModelManifest]) -> usize {
    let is_base_of = |base: &ModelManifest, variant: &ModelManifest| {
        variant.compression.as_ref().is_some_and(|made| match &base.sha256 {
            Some(sha256) => made.base_sha256.eq_ignore_ascii_case(sha256),
            None => made.base == base.name,
        })
    };
    manifests.iter().position(|base| manifests.iter().any(|variant| is_base_of(base, variant))).unwrap_or(0)
}

fn open(args: &Args) -> anyhow::Result<Dataset> {
    if !is_bag(&args.dataset) {
        return Ok(Dataset::open(&args.dataset, args.images.as_deref())?);
    }
    let labels = bag_labels(args.truth_topic.as_deref(), args.labels.as_deref()).with_context(|| {
        format!(
            "{}: a bag needs labels: --truth-topic NAME of vision_msgs/Detection2DArray, or --labels COCO.json by stamp",
            args.dataset.display()
        )
    })?;
    Ok(Dataset::open_bag(&args.dataset, args.topic.as_deref(), &labels, &args.output.join("frames"))?)
}

/// Where the labels of a bag are; `None` where neither is given.
pub(super) fn bag_labels(truth_topic: Option<&str>, labels: Option<&Path>) -> Option<BagLabels> {
    let topic = truth_topic.map(|topic| BagLabels::Topic(topic.to_owned()));
    topic.or_else(|| labels.map(|file| BagLabels::Coco(file.to_owned())))
}

/// Says what is odd about a dataset.
pub(super) fn warn(dataset: &Dataset) {
    for warning in &dataset.warnings {
        eprintln!("roadproof: {warning}");
    }
}

/// The images of a dataset with its labels in the `classes` of the model; says which of its classes the model does not know.
pub(super) fn mapped(
    dataset: Dataset,
    class_map: Option<&Path>,
    classes: &[String],
) -> anyhow::Result<StudyImages> {
    let map = class_map.map(ClassMap::load).transpose()?.unwrap_or_default();
    let images = StudyImages::new(dataset, &map, classes, class_map.unwrap_or(Path::new("")))?;
    list_unmapped(&images);
    Ok(images)
}

fn list_unmapped(images: &StudyImages) {
    let unmapped = images.unmapped.iter().filter(|class| class.instances > 0);
    let list: Vec<String> = unmapped.map(|class| format!("{} ({})", class.name, class.instances)).collect();
    if !list.is_empty() {
        eprintln!(
            "roadproof: the model does not know these classes, their instances are left out: {} (--class-map maps them)",
            list.join(", ")
        );
    }
}

/// Corruptions by name, by group, or the published fifteen.
pub(super) fn corruptions(names: &[String]) -> anyhow::Result<Vec<Corruption>> {
    let mut chosen: Vec<Corruption> = Vec::new();
    for name in names {
        // Corruptions of the stream make no sense on single images.
        let groups = Group::ALL.into_iter().filter(|group| *group != Group::Stream);
        let group = groups.into_iter().find(|group| group.name().eq_ignore_ascii_case(name));
        let more: Vec<Corruption> = match (name.as_str(), group) {
            ("none", _) => Vec::new(),
            ("benchmark", _) => Corruption::ALL.iter().copied().filter(|c| c.is_benchmark()).collect(),
            (_, Some(group)) => Corruption::ALL.iter().copied().filter(|c| c.group() == group).collect(),
            (name, None) => vec![name.parse()?],
        };
        for corruption in more {
            if !chosen.contains(&corruption) {
                chosen.push(corruption);
            }
        }
    }
    Ok(chosen)
}

pub(super) fn severities(values: &[f64]) -> anyhow::Result<Vec<Severity>> {
    let mut chosen = Vec::new();
    for value in values {
        let severity = Severity::new(*value)?;
        if severity.is_none() {
            bail!(
                "--severities: 0 is the clean image, which is measured anyway; give values above 0 up to 5"
            );
        }
        if !chosen.contains(&severity) {
            chosen.push(severity);
        }
    }
    Ok(chosen)
}

pub(super) fn with_progress<T>(run: impl FnOnce(&(dyn Fn(Progress) + Sync)) -> T) -> anyhow::Result<T> {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} runs, {eta} left: {msg}")?;
    let bar = ProgressBar::new(0).with_style(style);
    let known = Mutex::new(());
    let result = run(&|progress| match progress {
        Progress::Begin { runs, cached } => {
            let _lines = known.lock();
            if cached > 0 {
                eprintln!("roadproof: {cached} runs of the model are kept from before, {runs} are left");
            }
            bar.set_length(runs as u64);
        }
        Progress::Condition { name } => bar.set_message(name),
        Progress::Runs { count } => bar.inc(count as u64),
        Progress::Summarising => bar.set_message("figures and intervals"),
    });
    bar.finish_and_clear();
    Ok(result)
}

/// Accuracy of detections made elsewhere.
fn score(args: &Args, detections: &Path) -> anyhow::Result<ExitCode> {
    // Detections speak of COCO's ids, so the labels must be COCO's.
    let dataset = Dataset::open_labels(&args.dataset)?;
    let found = read_detections(detections, &args.dataset, &dataset)?;
    let found: Vec<Vec<Found>> = found
        .into_iter()
        .map(|image| {
            let found = |(class, [x, y, width, height], score): (usize, [f64; 4], f32)| Found {
                class_id: class as u32,
                bbox: Rect { x, y, width, height },
                score,
            };
            image.into_iter().map(found).collect()
        })
        .collect();
    let classes = dataset.classes.clone();
    let images = StudyImages::new(dataset, &ClassMap::default(), &classes, Path::new(""))?;
    let accuracy = score_detections(&images, found, args.bootstrap as usize, args.seed);
    if args.json {
        println!("{:#}", serde_json::to_value(&accuracy)?);
    } else {
        print!("{}", table::accuracy(&accuracy));
    }
    Ok(ExitCode::SUCCESS)
}
