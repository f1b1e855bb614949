use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use roadproof::data::bag::{BagReader, Loss, TopicFilter, convert};
use serde_json::json;

/// Look into bags of ROS 2, or copy them.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List the topics of a bag, and what of it cannot be read.
    Info(InfoArgs),
    /// Copy a bag to MCAP.
    Convert(ConvertArgs),
}

/// List the topics of a bag, and what of it cannot be read. The whole bag is read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  roadproof bag info recordings/rosbag2_2026_05_04")]
pub(crate) struct InfoArgs {
    /// Folder of a bag, or a .mcap or .db3 file.
    bag: PathBuf,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

/// Copy a bag to MCAP: messages, stamps, types and quality of service stay as they are. The exit status is 2
/// where something of the source could not be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  roadproof bag convert rosbag2_2026_05_04 drive.mcap --topic /camera/image_raw")]
pub(crate) struct ConvertArgs {
    /// Folder of a bag, or a .mcap or .db3 file.
    bag: PathBuf,
    /// What to write: a file if it ends in .mcap, else the folder of a bag. Must not exist.
    output: PathBuf,
    /// Only these topics.
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
}

/// Exit status where a bag was read in part.
const INCOMPLETE: u8 = 2;

pub(crate) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Info(args) => info(args),
        Command::Convert(args) => copy(args),
    }
}

fn loss_json(loss: &Loss) -> serde_json::Value {
    if loss.is_empty() {
        return serde_json::Value::Null;
    }
    json!({
        "bytes_unread": loss.bytes_unread,
        "messages_missing": loss.messages_missing,
        "reasons": loss.reasons,
        "more_reasons": loss.more_reasons,
    })
}

fn info(args: &InfoArgs) -> anyhow::Result<ExitCode> {
    let bag = BagReader::open(&args.bag)?;
    let mut counts = std::collections::HashMap::new();
    let mut messages = bag.messages(TopicFilter::All);
    for message in &mut messages {
        *counts.entry(message?.topic).or_insert(0_u64) += 1;
    }
    let loss = messages.loss();
    let total: u64 = counts.values().sum();
    let range_ns = bag.time_range_ns();
    let duration_s = range_ns.map_or(0.0, |(start, end)| (end.saturating_sub(start)) as f64 / 1e9);
    if args.json {
        let topics: Vec<_> = bag
            .topics()
            .iter()
            .map(|topic| {
                json!({
                    "name": &*topic.name,
                    "type": &*topic.type_name,
                    "serialization_format": topic.serialization_format,
                    "messages": counts.get(&topic.name).copied().unwrap_or(0),
                    "messages_recorded": topic.message_count,
                    "schema_encoding": topic.schema.as_ref().map(|schema| schema.encoding.as_str()),
                })
            })
            .collect();
        let info = json!({
            "path": args.bag,
            "start_ns": range_ns.map(|range| range.0),
            "end_ns": range_ns.map(|range| range.1),
            "duration_s": duration_s,
            "messages": total,
            "out_of_order": messages.out_of_order(),
            "topics": topics,
            "loss": loss_json(loss),
            "warnings": bag.warnings(),
        });
        println!("{info:#}");
    } else {
        println!("{}: {total} messages in {duration_s:.3} s", args.bag.display());
        for topic in bag.topics() {
            let count = counts.get(&topic.name).copied().unwrap_or(0);
            println!("  {count:>8}  {}  {}", topic.name, topic.type_name);
        }
        for warning in bag.warnings() {
            println!("  note: {warning}");
        }
        if !loss.is_empty() {
            println!("  lost: {loss}");
        }
    }
    Ok(status(loss))
}

fn status(loss: &Loss) -> ExitCode {
    if loss.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) }
}

fn copy(args: &ConvertArgs) -> anyhow::Result<ExitCode> {
    let bag = BagReader::open(&args.bag)?;
    for topic in &args.topics {
        let known = bag.topics().iter().any(|known| *known.name == **topic);
        anyhow::ensure!(known, "{}: no topic {topic}", args.bag.display());
    }
    let filter = if args.topics.is_empty() { TopicFilter::All } else { TopicFilter::only(&args.topics) };
    let converted = convert(&bag, &args.output, filter)
        .with_context(|| format!("copying to {}", args.output.display()))?;
    println!("{}: {} messages", args.output.display(), converted.messages);
    for warning in &converted.warnings {
        println!("  note: {warning}");
    }
    if !converted.loss.is_empty() {
        println!("  lost: {}", converted.loss);
    }
    Ok(status(&converted.loss))
}
