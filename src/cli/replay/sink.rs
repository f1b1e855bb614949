//! Results into files; each has a name of its own till it is whole.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::ProgressBar;
use opencv::core::{Mat, MatTraitConst, Size};
use opencv::videoio::{VideoWriter, VideoWriterTrait, VideoWriterTraitConst};
use roadproof::dashboard::Dashboard;
use roadproof::replay::{Drawn, FrameRecord, HealthRecord, Sink, TruthRecord};

use super::bag::BagSink;

pub(super) struct FileSink<'a> {
    /// A new bag, where it is wanted.
    pub(super) bag: Option<BagSink<'a>>,
    pub(super) dashboard: Option<Dashboard>,
    folder: PathBuf,
    detections: BufWriter<File>,
    health: BufWriter<File>,
    /// Figures by ground truth, where there is one.
    truth: Option<BufWriter<File>>,
    /// Frames per second of the videos, where they are wanted.
    video_hz: Option<f64>,
    videos: HashMap<String, Video>,
    bar: ProgressBar,
}

struct Video {
    writer: VideoWriter,
    size: Size,
    path: PathBuf,
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(".part.");
    name.push(path.extension().unwrap_or_default());
    path.with_file_name(name)
}

fn create(folder: &Path, name: &str) -> anyhow::Result<BufWriter<File>> {
    let path = partial(&folder.join(name));
    File::create(&path).map(BufWriter::new).with_context(|| format!("cannot write {}", path.display()))
}

impl FileSink<'_> {
    pub(super) fn new(folder: &Path, video_hz: Option<f64>, bar: ProgressBar) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        Ok(Self {
            detections: create(folder, "detections.jsonl")?,
            health: create(folder, "health.jsonl")?,
            truth: None,
            bag: None,
            dashboard: None,
            folder: folder.to_owned(),
            video_hz,
            videos: HashMap::new(),
            bar,
        })
    }

    /// Writes figures by ground truth as well.
    pub(super) fn with_truth(&mut self) -> anyhow::Result<()> {
        self.truth = Some(create(&self.folder, "ground_truth.jsonl")?);
        Ok(())
    }

    /// Gives everything its final name.
    pub(super) fn finish(mut self) -> anyhow::Result<Vec<PathBuf>> {
        self.bar.finish_and_clear();
        for warning in self.bag.map(BagSink::finish).transpose()?.unwrap_or_default() {
            eprintln!("roadproof: {warning}");
        }
        self.detections.flush()?;
        self.health.flush()?;
        let mut written: Vec<PathBuf> =
            ["detections.jsonl", "health.jsonl"].map(|name| self.folder.join(name)).to_vec();
        if let Some(truth) = &mut self.truth {
            truth.flush()?;
            written.push(self.folder.join("ground_truth.jsonl"));
        }
        let mut videos: Vec<Video> = self.videos.into_values().collect();
        videos.sort_by(|a, b| a.path.cmp(&b.path));
        for mut video in videos {
            video.writer.release()?;
            written.push(video.path);
        }
        for path in &written {
            let from = partial(path);
            std::fs::rename(&from, path).with_context(|| format!("cannot rename {}", from.display()))?;
        }
        Ok(written)
    }

    fn draw(&mut self, camera: &str, drawn: &Drawn, rate_hz: f64) -> anyhow::Result<()> {
        let rows = i32::try_from(drawn.height)?;
        let size = Size::new(i32::try_from(drawn.width)?, rows);
        if !self.videos.contains_key(camera) {
            let safe: String =
                camera.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            let path = self.folder.join(format!("{}.mp4", safe.trim_matches('_')));
            let name = partial(&path);
            let codec = VideoWriter::fourcc('m', 'p', '4', 'v')?;
            let name = name.to_str().context("the output's path is not UTF-8")?;
            let writer = VideoWriter::new(name, codec, rate_hz, size, true)?;
            anyhow::ensure!(writer.is_opened()?, "{name} cannot be written as MPEG-4");
            self.videos.insert(camera.to_owned(), Video { writer, size, path });
        }
        let Some(video) = self.videos.get_mut(camera) else { return Ok(()) };
        anyhow::ensure!(
            video.size == size,
            "{camera}: a frame of {} × {} in a video of {} × {}: frames of changing size cannot be drawn into one video, leave \
             out --annotate",
            size.width,
            size.height,
            video.size.width,
            video.size.height
        );
        let flat = Mat::new_rows_cols_with_bytes::<u8>(rows, i32::try_from(drawn.width * 3)?, &drawn.bgr)?;
        video.writer.write(&flat.reshape(3, rows)?)?;
        Ok(())
    }
}

impl Sink for FileSink<'_> {
    fn truth(&mut self, record: &TruthRecord<'_>) -> io::Result<()> {
        if let Some(dashboard) = &self.dashboard {
            dashboard.truth(record.camera, record.report);
        }
        let Some(truth) = &mut self.truth else { return Ok(()) };
        serde_json::to_writer(&mut *truth, record)?;
        truth.write_all(b"\n")
    }

    fn frame(&mut self, record: &FrameRecord<'_>, drawn: Option<&Drawn>) -> io::Result<()> {
        serde_json::to_writer(&mut self.detections, record)?;
        self.detections.write_all(b"\n")?;
        if let Some((drawn, rate_hz)) = drawn.zip(self.video_hz) {
            self.draw(record.camera, drawn, rate_hz).map_err(io::Error::other)?;
        }
        if let Some((drawn, dashboard)) = drawn.zip(self.dashboard.as_ref())
            && dashboard.wants_picture(record.camera)
        {
            dashboard.picture(record.camera, drawn.width, drawn.height, &drawn.bgr);
        }
        if let Some(bag) = &mut self.bag {
            bag.frame(record)?;
        }
        self.bar.inc(1);
        Ok(())
    }

    fn health(&mut self, record: &HealthRecord<'_>) -> io::Result<()> {
        if let Some(bag) = &mut self.bag {
            bag.health(record)?;
        }
        if let Some(dashboard) = &self.dashboard {
            dashboard.health(record);
        }
        serde_json::to_writer(&mut self.health, record)?;
        self.health.write_all(b"\n")
    }
}
