//! Bags: every image is corrupted, everything else stays as it is.

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use roadproof::corruption::{Corruptor, Delivery, FrameKey, Picture};
use roadproof::data::bag::cdr::{COMPRESSED_IMAGE_TYPE, CompressedImage, IMAGE_TYPE, Image};
use roadproof::data::bag::{BagReader, BagWriter, TopicFilter};
use roadproof::data::source::image_topics;
use roadproof::image::{CompressedDecoder, Converter, DecodeLimits, Encoding, ImageView};

use super::Args;
use super::images::encode;

struct Stream {
    index: u64,
    camera: u32,
    corruptor: Corruptor,
    converter: Converter,
    decoder: CompressedDecoder,
    picture: Picture,
}

/// Copies a bag with its images corrupted.
///
/// A frame has the key that `roadproof replay` gives it, so replaying the copy is replaying the original with these corruptions. Raw images
/// are written as rgb8 (bgr8 where they are that), compressed ones in the format they have.
pub(super) fn corrupt(args: &Args, input: &Path, output: &Path) -> anyhow::Result<ExitCode> {
    let bag = BagReader::open(input)?;
    let names = image_topics(&bag, &[])?;
    let mut cameras: HashMap<&str, Stream> = HashMap::new();
    for (camera, name) in (0..).zip(&names) {
        let entry = Stream {
            index: 0,
            camera,
            corruptor: args.corruptor(),
            converter: Converter::new(),
            decoder: CompressedDecoder::new(DecodeLimits::default()),
            picture: Picture::default(),
        };
        cameras.insert(name, entry);
    }
    let mut writer = BagWriter::create(output)?;
    let mut topics = HashMap::new();
    for topic in bag.topics() {
        topics.insert(Arc::clone(&topic.name), writer.add_topic_like(topic)?);
    }
    let total: Option<u64> = bag.topics().iter().map(|topic| topic.message_count).sum();
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} messages, {eta} left")?;
    let bar = ProgressBar::new(total.unwrap_or(0)).with_style(style);
    let (mut corrupted, mut dropped, mut rejected) = (0_u64, 0_u64, 0_u64);
    let mut messages = bag.messages(TopicFilter::All);
    for message in &mut messages {
        let message = message?;
        bar.inc(1);
        let Some(id) = topics.get(&message.topic) else { continue };
        let data = match cameras.get_mut(message.topic.as_ref()) {
            None => Some(message.data),
            Some(camera) => match camera.message(args, &message.type_name, &message.data) {
                Ok(Some(data)) => {
                    corrupted += 1;
                    Some(data)
                }
                Ok(None) => {
                    dropped += 1;
                    None
                }
                Err(error) => {
                    rejected += 1;
                    bar.suspend(|| eprintln!("roadproof: {}, left out: {error:#}", message.topic));
                    None
                }
            },
        };
        if let Some(data) = data {
            writer.write(*id, message.log_time_ns, message.publish_time_ns, &data)?;
        }
    }
    bar.finish_and_clear();
    let loss = messages.loss().clone();
    for warning in writer.warnings() {
        eprintln!("roadproof: {warning}");
    }
    writer.finish()?;
    eprintln!(
        "{corrupted} images corrupted, {dropped} dropped by corruptions, {rejected} left out as they cannot be used"
    );
    if !loss.is_empty() {
        eprintln!("roadproof: the bag is damaged: {loss}");
    }
    Ok(if rejected > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Stream {
    /// The message anew; none where a corruption drops the frame.
    fn message(&mut self, args: &Args, type_name: &str, data: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
        let index = self.index;
        self.index += 1;
        let key = |stamp_ns| FrameKey { camera: self.camera, index, stamp_ns };
        match type_name {
            IMAGE_TYPE => {
                let image = Image::decode(data)?;
                let encoding = Encoding::from_ros(image.encoding, image.is_bigendian != 0)?;
                let view =
                    ImageView::new(encoding, image.width, image.height, image.step as usize, image.data)?;
                self.picture.assign(&self.converter.convert(&view)?)?;
                let delivery =
                    self.corruptor.corrupt(&mut self.picture, &args.corruptions, key(image.stamp_ns))?;
                if delivery == Delivery::Drop {
                    return Ok(None);
                }
                let is_bgr = image.encoding == "bgr8";
                if is_bgr {
                    self.picture
                        .data_mut()
                        .as_chunks_mut::<3>()
                        .0
                        .iter_mut()
                        .for_each(|pixel| pixel.swap(0, 2));
                }
                let encoding = if is_bgr { "bgr8" } else { "rgb8" };
                let (step, data) = (image.width * 3, self.picture.data());
                Ok(Some(Image { encoding, is_bigendian: 0, step, data, ..image }.encode()?))
            }
            COMPRESSED_IMAGE_TYPE => {
                let image = CompressedImage::decode(data)?;
                self.picture.assign(&self.decoder.decode(image.format, image.data)?)?;
                let delivery =
                    self.corruptor.corrupt(&mut self.picture, &args.corruptions, key(image.stamp_ns))?;
                if delivery == Delivery::Drop {
                    return Ok(None);
                }
                let is_png = image.data.starts_with(b"\x89PNG");
                let file = encode(&self.picture, if is_png { "png" } else { "jpg" })?;
                let format = if is_png { "rgb8; png compressed bgr8" } else { "rgb8; jpeg compressed bgr8" };
                Ok(Some(CompressedImage { format, data: file.as_slice(), ..image }.encode()?))
            }
            other => anyhow::bail!("expected {IMAGE_TYPE} or {COMPRESSED_IMAGE_TYPE}, found {other}"),
        }
    }
}
