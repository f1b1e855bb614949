//! One sheet of everything at every level.

use std::path::Path;

use opencv::core::{Mat, MatTraitConst, MatTraitConstManual, Point, Rect, Scalar, Size};
use opencv::imgproc;
use roadproof::corruption::{Corruption, Group, Picture, Severity, Step};

use super::images;
use super::{Args, apply};

/// Severities shown, one column each.
const SEVERITIES: [f64; 6] = [0.5, 1.0, 2.0, 3.0, 4.0, 5.0];

/// Width of one picture, and of the names beside the rows; height of the line above.
const TILE_PX: i32 = 240;
const NAMES_PX: i32 = 200;
const HEAD_PX: i32 = 28;

/// Severity of the rows that show a stream.
const STREAM_SEVERITY: f64 = 4.0;

/// Everything but the stream's corruptions by severity, and those as consecutive frames of a camera that pans over the photo.
///
/// The photo is made small first, so lengths in pixels show as they do on pictures of 240 px width.
pub(super) fn write(args: &Args, photo: &Path, output: &Path) -> anyhow::Result<()> {
    let clean = images::read(photo)?;
    let tile = shrink(&clean)?;
    let (stills, streams): (Vec<_>, Vec<_>) =
        Corruption::ALL.iter().copied().partition(|corruption| corruption.group() != Group::Stream);
    let mut sheet = Sheet::new(&tile, stills.len(), streams.len())?;
    sheet.heads(&SEVERITIES.map(|severity| format!("severity {severity}")))?;
    for corruption in stills {
        let pictures = SEVERITIES.iter().map(|severity| {
            let mut picture = tile.clone();
            let step = Step { corruption, severity: Severity::new(*severity)? };
            apply(&mut args.corruptor(), &mut picture, &[step], 0)?;
            Ok(Some(picture))
        });
        sheet.row(corruption.name(), pictures)?;
    }
    let heads: Vec<_> =
        (0..SEVERITIES.len()).map(|i| format!("frame {i}, severity {STREAM_SEVERITY}")).collect();
    sheet.heads(&heads)?;
    for corruption in streams {
        let mut corruptor = args.corruptor();
        let step = [Step { corruption, severity: Severity::new(STREAM_SEVERITY)? }];
        let pictures = (0..SEVERITIES.len() as u64).map(|index| {
            let mut picture = pan(&clean, index)?;
            Ok(apply(&mut corruptor, &mut picture, &step, index)?.then_some(picture))
        });
        sheet.row(corruption.name(), pictures)?;
    }
    images::write(&sheet.picture()?, output)?;
    eprintln!("{}: {} corruptions", output.display(), Corruption::ALL.len());
    Ok(())
}

/// The sheet while it is filled from above.
struct Sheet {
    matrix: Mat,
    tile_width: i32,
    tile_height: i32,
    top: i32,
}

impl Sheet {
    fn new(tile: &Picture, stills: usize, streams: usize) -> anyhow::Result<Self> {
        let (tile_width, tile_height) = (i32::try_from(tile.width())?, i32::try_from(tile.height())?);
        let width = NAMES_PX + i32::try_from(SEVERITIES.len())? * tile_width;
        let height = 2 * HEAD_PX + i32::try_from(stills + streams)? * tile_height;
        let white = Scalar::all(255.0);
        let matrix = Mat::new_rows_cols_with_default(height, width, opencv::core::CV_8UC3, white)?;
        Ok(Self { matrix, tile_width, tile_height, top: 0 })
    }

    fn heads(&mut self, texts: &[String]) -> opencv::Result<()> {
        for (column, text) in (0..).zip(texts) {
            write_text(&mut self.matrix, text, NAMES_PX + column * self.tile_width + 6, self.top + 20)?;
        }
        self.top += HEAD_PX;
        Ok(())
    }

    /// A frame that is lost leaves its place empty.
    fn row(
        &mut self,
        name: &str,
        pictures: impl Iterator<Item = anyhow::Result<Option<Picture>>>,
    ) -> anyhow::Result<()> {
        write_text(&mut self.matrix, name, 6, self.top + self.tile_height / 2)?;
        for (column, picture) in (0..).zip(pictures) {
            let left = NAMES_PX + column * self.tile_width;
            let Some(picture) = picture? else {
                write_text(&mut self.matrix, "lost", left + 6, self.top + self.tile_height / 2)?;
                continue;
            };
            let flat =
                Mat::new_rows_cols_with_bytes::<u8>(self.tile_height, self.tile_width * 3, picture.data())?;
            let place = Rect::new(left, self.top, self.tile_width, self.tile_height);
            let mut place = Mat::roi_mut(&mut self.matrix, place)?;
            flat.reshape(3, self.tile_height)?.copy_to(&mut place)?;
        }
        self.top += self.tile_height;
        Ok(())
    }

    fn picture(&self) -> anyhow::Result<Picture> {
        let (width, height) = (u32::try_from(self.matrix.cols())?, u32::try_from(self.matrix.rows())?);
        Ok(Picture::from_rgb(width, height, self.matrix.data_bytes()?.to_vec())?)
    }
}

/// What a camera sees that moves over the photo, in tile size.
fn pan(photo: &Picture, index: u64) -> anyhow::Result<Picture> {
    let (width, height) = (photo.width() as usize, photo.height() as usize);
    let (seen_width, seen_height) = (width * 7 / 10, height * 7 / 10);
    let left = (width - seen_width) * index as usize / (SEVERITIES.len() - 1);
    let rows = photo.data().chunks_exact(width * 3).skip((height - seen_height) / 2).take(seen_height);
    let data = rows.flat_map(|row| row.iter().skip(left * 3).take(seen_width * 3).copied()).collect();
    let seen = Picture::from_rgb(u32::try_from(seen_width)?, u32::try_from(seen_height)?, data)?;
    resize(&seen, tile_size(photo)?)
}

/// Size of a tile, for a photo of any size.
fn tile_size(photo: &Picture) -> anyhow::Result<Size> {
    let rows = i32::try_from(photo.height())?;
    Ok(Size::new(TILE_PX, (rows * TILE_PX / i32::try_from(photo.width())?.max(1)).max(32)))
}

fn shrink(picture: &Picture) -> anyhow::Result<Picture> {
    resize(picture, tile_size(picture)?)
}

fn resize(picture: &Picture, size: Size) -> anyhow::Result<Picture> {
    let rows = i32::try_from(picture.height())?;
    let flat =
        Mat::new_rows_cols_with_bytes::<u8>(rows, i32::try_from(picture.width() * 3)?, picture.data())?;
    let mut small = Mat::default();
    imgproc::resize(&flat.reshape(3, rows)?, &mut small, size, 0.0, 0.0, imgproc::INTER_AREA)?;
    let (width, height) = (u32::try_from(size.width)?, u32::try_from(size.height)?);
    Ok(Picture::from_rgb(width, height, small.data_bytes()?.to_vec())?)
}

fn write_text(sheet: &mut Mat, text: &str, x: i32, y: i32) -> opencv::Result<()> {
    let font = imgproc::FONT_HERSHEY_SIMPLEX;
    imgproc::put_text(sheet, text, Point::new(x, y), font, 0.45, Scalar::all(0.0), 1, imgproc::LINE_AA, false)
}
