//! The one who reads: frames in the order of the recording, with what is to be done to them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use super::{Injection, Options};
use crate::corruption::{Corruptor, Delivery, FrameKey, Group, Picture, Step};
use crate::data::source::{FrameSource, SourceError, SourceFrame, SourcePixels};
use crate::image::{ChannelOrder, CompressedDecoder, Converter, DecodeLimits};
use crate::pipeline::{FramePixels, PipelineError};

/// A frame on its way to a worker.
pub(super) struct Job {
    pub(super) number: u64,
    /// Index among the frames of its camera.
    pub(super) frame: Result<SourceFrame, String>,
    pub(super) steps: Vec<Step>,
    /// Already corrupted, or lost by that.
    pub(super) is_corrupted: bool,
    pub(super) is_dropped: bool,
}

/// Reads frames, and corrupts those streams whose corruptions remember what was before.
pub(super) struct Reader<'a> {
    cameras: &'a [String],
    options: &'a Options,
    is_ordered: bool,
    converters: HashMap<usize, Ordered>,
    first_ns: Option<i64>,
    start: Instant,
}

/// What corrupting in order takes, for one camera.
struct Ordered {
    raw: Converter,
    compressed: CompressedDecoder,
    corruptor: Corruptor,
    picture: Picture,
}

impl<'a> Reader<'a> {
    pub(super) fn new(cameras: &'a [String], options: &'a Options) -> Self {
        let is_ordered = match &options.injection {
            Injection::Nothing => false,
            Injection::Steps(steps) => steps.iter().any(|step| step.corruption.group() == Group::Stream),
            Injection::Campaign(_) => true,
        };
        let converters = HashMap::new();
        Self { cameras, options, is_ordered, converters, first_ns: None, start: Instant::now() }
    }

    pub(super) fn run(
        mut self,
        source: &mut dyn FrameSource,
        may_read: &Receiver<()>,
        out: &SyncSender<Job>,
        stop: &AtomicBool,
    ) {
        for number in 0.. {
            if may_read.recv().is_err() || stop.load(Ordering::Relaxed) {
                return;
            }
            let Some(item) = source.next() else { return };
            if out.send(self.job(number, item)).is_err() {
                return;
            }
        }
    }

    fn job(&mut self, number: u64, item: Result<SourceFrame, SourceError>) -> Job {
        let mut job = Job {
            number,
            frame: Err(String::new()),
            steps: Vec::new(),
            is_corrupted: false,
            is_dropped: false,
        };
        let mut frame = match item {
            Ok(frame) => frame,
            Err(error) => {
                job.frame = Err(error.to_string());
                return job;
            }
        };
        let first_ns = *self.first_ns.get_or_insert(frame.stamp_ns);
        let elapsed_ns = frame.stamp_ns.saturating_sub(first_ns);
        if self.options.is_realtime {
            let due = self.start + Duration::from_nanos(u64::try_from(elapsed_ns).unwrap_or(0));
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        match &self.options.injection {
            Injection::Nothing => {}
            Injection::Steps(steps) => job.steps.clone_from(steps),
            Injection::Campaign(campaign) => {
                let camera = self.cameras.get(frame.camera).map_or("", String::as_str);
                let seed = self.options.corruptor.seed;
                campaign.steps_at(elapsed_ns as f64 / 1e9, camera, seed, &mut job.steps);
            }
        }
        if self.is_ordered {
            match self.corrupt(&mut frame, &job.steps) {
                Ok(Delivery::Deliver) => job.is_corrupted = true,
                Ok(Delivery::Drop) => job.is_dropped = true,
                // The worker meets the same trouble, and says so.
                Err(_) => job.steps.clear(),
            }
        }
        job.frame = Ok(frame);
        job
    }

    fn corrupt(&mut self, frame: &mut SourceFrame, steps: &[Step]) -> Result<Delivery, PipelineError> {
        let options = self.options.corruptor;
        let ordered = self.converters.entry(frame.camera).or_insert_with(|| Ordered {
            raw: Converter::new(),
            compressed: CompressedDecoder::new(DecodeLimits::default()),
            corruptor: Corruptor::new(options),
            picture: Picture::default(),
        });
        let pixels = match frame.as_frame()?.pixels {
            FramePixels::Raw(view) => ordered.raw.convert(&view)?,
            FramePixels::Compressed { format, data } => ordered.compressed.decode(format, data)?,
            FramePixels::Pixels(pixels) => pixels,
        };
        ordered.picture.assign(&pixels)?;
        let camera = u32::try_from(frame.camera).unwrap_or(u32::MAX);
        let key = FrameKey { camera, index: frame.index, stamp_ns: frame.stamp_ns };
        let delivery = ordered.corruptor.corrupt(&mut ordered.picture, steps, key)?;
        let picture = &ordered.picture;
        let (width, height) = (picture.width(), picture.height());
        frame.pixels =
            SourcePixels::Pixels { order: ChannelOrder::Rgb, width, height, data: picture.data().to_vec() };
        Ok(delivery)
    }
}
