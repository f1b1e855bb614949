//! `roadproof compress`.

mod flags;
mod latency;
mod make;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use roadproof::compress::CalibrationImages;
use roadproof::compress::gate::{Gate, GateSpec, Measuring};
use roadproof::compress::graph::Model;
use roadproof::compress::recipe::{
    Calibration, Recipe, check, check_corruptions, check_name, may_use_images,
};
use roadproof::detector::ModelManifest;
use serde_json::json;

use make::{Maker, Place, State};
use table::Costs;

/// Make smaller, faster variants of a model: fewer channels, zeros, half precision, 8-bit integers.
///
/// What is to be done say flags (pruning comes first, then precision) or, for several variants, a recipe. Writes NAME.onnx and
/// its manifest NAME.toml. A variant that is there already, made the same way from the same, is left as it is. What was lost
/// tells `roadproof evaluate -m MODEL.toml -m NAME.toml`; --max-drop refuses a variant that loses more than it may.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  roadproof compress models/nanodet-g.toml --int8 --calibrate coco128/ -o compressed/
  roadproof compress model.toml --int8 --calibrate frames/ --calibration percentile --exclude conv_0 -o out/ --name model-int8
  roadproof compress model.toml --structured 0.3 --reconstruct weights --int8 --calibrate frames/ -o out/
  roadproof compress --recipe config/compress.toml --calibrate coco128/ -o compressed/
  roadproof compress model.toml --int8 --calibrate val/ --max-drop ap=0.01,worst_class_ap=0.03 -o out/
  roadproof evaluate coco128/ -m models/nanodet-g.toml -m compressed/nanodet-g-int8.toml")]
pub(crate) struct Args {
    /// Model manifest; with --recipe it takes the place of the recipe's.
    #[arg(required_unless_present = "recipe")]
    model: Option<PathBuf>,
    /// File that says which variants to make, and how.
    #[arg(long, value_name = "TOML", conflicts_with = "Methods")]
    recipe: Option<PathBuf>,
    /// Of a recipe: make these variants alone.
    #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',', requires = "recipe")]
    only: Vec<String>,
    #[command(flatten)]
    methods: flags::Methods,
    #[command(flatten)]
    calibration: flags::CalibrationArgs,
    #[command(flatten)]
    gate: flags::GateArgs,
    /// Folder of the results.
    #[arg(long, short, value_name = "FOLDER")]
    output: PathBuf,
    /// Make variants anew that are there already.
    #[arg(long)]
    force: bool,
    /// Measure how fast each variant is beside the model that it is made from.
    #[arg(long)]
    latency: bool,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    session: super::SessionArgs,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (base, recipe) = request(args)?;
    let dataset = recipe.calibration.dataset.as_deref();
    for variant in &recipe.variants {
        check(&variant.steps, dataset.is_some(), recipe.gate.is_some())
            .with_context(|| format!("variant `{}`", variant.name))?;
        refuse_to_overwrite(args, &base, &variant.name)?;
    }
    let model = Model::load(&base.model_path(), base.sha256.as_deref())?;
    let images = images(&recipe)?;
    let gate = recipe.gate.as_ref().map(|spec| measured(args, spec, dataset, &base)).transpose()?;
    std::fs::create_dir_all(&args.output)
        .with_context(|| format!("cannot make the folder {}", args.output.display()))?;

    let hash = images.as_ref().map(CalibrationImages::sha256).transpose()?;
    let maker = Maker {
        base: &base,
        model: &model,
        images: images.as_ref().zip(hash.as_deref()),
        calibration: &recipe.calibration,
        output: &args.output,
        force: args.force,
        gate: gate.as_ref(),
    };
    let mut made = maker.all(&recipe.variants)?;
    if args.latency {
        let spinner = make::spinner("measuring latency");
        for variant in &mut made {
            variant.latency = Some(latency::measure(&base, &variant.manifest, &args.session.options())?);
        }
        spinner.finish_and_clear();
    }
    let costs = Costs::of(&model, &base.input)?;
    let refused = made.iter().filter(|variant| variant.place == Place::Refused);
    for variant in refused.clone() {
        for drop in variant.verdict.iter().flat_map(|verdict| &verdict.drops).filter(|drop| !drop.passed) {
            eprintln!("roadproof: {} is refused: {drop}", variant.manifest.name);
        }
    }
    if args.json {
        let result = json!({
            "base": {
                "name": base.name,
                "sha256": model.sha256(),
                "bytes": table::size(&base.model_path())?,
                "parameters": costs.parameters,
                "macs": costs.macs,
                "macs_ratio": costs.macs_ratio(costs),
                "figures": gate.as_ref().map(Gate::base),
                "worst_class": gate.as_ref().and_then(Gate::worst_class),
            },
            "gate": recipe.gate,
            "variants": made.iter().map(|variant| variant.to_json(costs)).collect::<anyhow::Result<Vec<_>>>()?,
        });
        println!("{result:#}");
    } else {
        if let ([only], None) = (made.as_slice(), &args.recipe) {
            print!("{}", table::details(&only.reports));
        }
        print!("{}", table::summary(&base, costs, &made)?);
    }
    if made.iter().all(|variant| variant.state == State::There) && !args.json {
        eprintln!("roadproof: nothing was left to do (--force makes variants anew)");
    }
    Ok(if refused.count() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The model and what is to be made of it, from flags and recipe alike.
fn request(args: &Args) -> anyhow::Result<(ModelManifest, Recipe)> {
    let mut recipe = args.recipe.as_deref().map(Recipe::load).transpose()?.unwrap_or_else(|| Recipe {
        model: None,
        calibration: Calibration::default(),
        gate: None,
        variants: Vec::new(),
    });
    let path = args.model.as_ref().or(recipe.model.as_ref()).with_context(|| {
        let recipe = args.recipe.as_deref().unwrap_or(Path::new("")).display();
        format!("{recipe}: names no `model`; put it there, or give a manifest on the command line")
    })?;
    let base = ModelManifest::load(path)?;
    if args.recipe.is_none() {
        recipe.variants = vec![args.methods.variant(&base.name)?];
    }
    if !args.only.is_empty() {
        let names: Vec<String> = recipe.variants.iter().map(|variant| variant.name.clone()).collect();
        if let Some(unknown) = args.only.iter().find(|name| !names.contains(name)) {
            bail!("--only: the recipe has no variant '{unknown}'; there are {}", names.join(", "));
        }
        recipe.variants.retain(|variant| args.only.contains(&variant.name));
    }
    args.calibration.put_over(&mut recipe.calibration)?;
    args.gate.put_over(&mut recipe.gate)?;
    check_corruptions(&recipe.calibration.corruptions)?;
    for variant in &recipe.variants {
        check_name(&variant.name)?;
    }
    Ok((base, recipe))
}

fn refuse_to_overwrite(args: &Args, base: &ModelManifest, name: &str) -> anyhow::Result<()> {
    for (suffix, read) in [("onnx", base.model_path()), ("toml", base.path().to_owned())] {
        let written = args.output.join(format!("{name}.{suffix}"));
        if let (Ok(written), Ok(read)) = (written.canonicalize(), read.canonicalize())
            && written == read
        {
            bail!(
                "{} would overwrite the model that it is made from: give another --name or --output",
                written.display()
            );
        }
    }
    Ok(())
}

/// The calibration images, where some variant looks at them.
fn images(recipe: &Recipe) -> anyhow::Result<Option<CalibrationImages>> {
    let used = recipe.variants.iter().any(|variant| may_use_images(&variant.steps));
    let Some(dataset) = recipe.calibration.dataset.as_deref().filter(|_| used) else { return Ok(None) };
    let Calibration { images, corruptions, seed, .. } = &recipe.calibration;
    let images = CalibrationImages::open(dataset, Some(*images))?;
    Ok(Some(images.with_corruptions(corruptions.clone(), *seed)))
}

fn measured(
    args: &Args,
    spec: &GateSpec,
    dataset: Option<&Path>,
    base: &ModelManifest,
) -> anyhow::Result<Gate> {
    let (workers, session) = args.session.shared_by(0);
    let measuring = Measuring { workers, session, cache: Some(args.output.join("cache")) };
    let spinner = make::spinner(&format!("measuring {}", base.name));
    let gate = Gate::new(base, spec, dataset, measuring);
    spinner.finish_and_clear();
    Ok(gate?)
}
