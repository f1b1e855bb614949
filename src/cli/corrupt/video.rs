//! Videos, through OpenCV.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use opencv::core::{Mat, MatTraitConst, MatTraitConstManual, Size};
use opencv::prelude::{VideoCaptureTrait, VideoCaptureTraitConst, VideoWriterTrait, VideoWriterTraitConst};
use opencv::videoio;
use roadproof::corruption::Picture;
use roadproof::image::{ChannelOrder, PixelView};

use super::images::to_bgr;
use super::{Args, apply};

/// Corrupts every frame. The result is MPEG-4 in a container by the output's name.
pub(super) fn corrupt(args: &Args, input: &Path, output: &Path) -> anyhow::Result<ExitCode> {
    let name = |path: &Path| path.to_str().map(str::to_owned).context("a path is not UTF-8");
    let mut source = videoio::VideoCapture::from_file(&name(input)?, videoio::CAP_ANY)?;
    if !source.is_opened()? {
        bail!("{} is neither an image (.jpg, .png), a folder nor a video that can be read", input.display());
    }
    let rate_hz = source.get(videoio::CAP_PROP_FPS)?;
    let rate_hz = if rate_hz > 0.0 { rate_hz } else { 30.0 };
    let count = source.get(videoio::CAP_PROP_FRAME_COUNT)?.max(0.0) as u64;
    let bar = ProgressBar::new(count);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} frames, {eta} left")?);
    let suffix = output.extension().and_then(|suffix| suffix.to_str()).unwrap_or("mp4");
    let partial = output.with_extension(format!("part.{suffix}"));
    let mut writer: Option<videoio::VideoWriter> = None;
    let mut corruptor = args.corruptor();
    let (mut frame, mut picture, mut bgr) = (Mat::default(), Picture::default(), Mat::default());
    let (mut read, mut written) = (0_u64, 0_u64);
    while source.read(&mut frame)? {
        let (width, height) = (u32::try_from(frame.cols())?, u32::try_from(frame.rows())?);
        let whole = frame.try_clone()?;
        let view = PixelView::new(ChannelOrder::Bgr, width, height, width as usize * 3, whole.data_bytes()?)?;
        picture.assign(&view)?;
        let delivered = apply(&mut corruptor, &mut picture, &args.corruptions, read)?;
        read += 1;
        bar.inc(1);
        if !delivered {
            continue;
        }
        let rows = i32::try_from(height)?;
        to_bgr(&picture, &mut bgr)?;
        if writer.is_none() {
            let codec = videoio::VideoWriter::fourcc('m', 'p', '4', 'v')?;
            let size = Size::new(i32::try_from(width)?, rows);
            let made = videoio::VideoWriter::new(&name(&partial)?, codec, rate_hz, size, true)?;
            if !made.is_opened()? {
                bail!(
                    "{} cannot be written as MPEG-4; try a name that ends in .mp4 or .avi",
                    output.display()
                );
            }
            writer = Some(made);
        }
        if let Some(writer) = &mut writer {
            writer.write(&bgr)?;
            written += 1;
        }
    }
    bar.finish_and_clear();
    if read == 0 {
        bail!("{}: no frame could be read", input.display());
    }
    let Some(mut writer) = writer else {
        bail!("{}: the corruptions dropped all {read} frames, nothing is written", input.display())
    };
    writer.release()?;
    if count > read {
        // What there is stays beside the output's name: it may be of use, but it is not the whole video.
        bail!(
            "{}: only {read} of {count} frames could be read; what came of them is in {}",
            input.display(),
            partial.display()
        );
    }
    std::fs::rename(&partial, output).with_context(|| format!("{} cannot be written", output.display()))?;
    eprintln!("{written} of {read} frames written as MPEG-4, {} dropped", read - written);
    Ok(ExitCode::SUCCESS)
}
