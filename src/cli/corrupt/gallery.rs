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

pub(super) fn write(args: &Args, photo: &Path, output: &Path) -> anyhow::Result<()> {
    let clean = images::read(photo)?;
    let tile = shrink(&clean)?;
    let (tile_width, tile_height) = (i32::try_from(tile.width())?, i32::try_from(tile.height())?);
    // What happens to a stream does not show in a single picture.
    let shown: Vec<_> = Corruption::ALL.iter().filter(|c| c.group() != Group::Stream).collect();
    let columns = i32::try_from(SEVERITIES.len())?;
    let width = NAMES_PX + columns * tile_width;
    let height = HEAD_PX + i32::try_from(shown.len())? * tile_height;
    let mut sheet =
        Mat::new_rows_cols_with_default(height, width, opencv::core::CV_8UC3, Scalar::all(255.0))?;
    for (column, severity) in (0..).zip(SEVERITIES) {
        write_text(&mut sheet, &format!("severity {severity}"), NAMES_PX + column * tile_width + 6, 20)?;
    }
    for (row, corruption) in (0..).zip(shown) {
        let top = HEAD_PX + row * tile_height;
        write_text(&mut sheet, corruption.name(), 6, top + tile_height / 2)?;
        for (column, severity) in (0..).zip(SEVERITIES) {
            let mut picture = tile.clone();
            let step = Step { corruption: *corruption, severity: Severity::new(severity)? };
            apply(&mut args.corruptor(), &mut picture, &[step], 0)?;
            let flat = Mat::new_rows_cols_with_bytes::<u8>(tile_height, tile_width * 3, picture.data())?;
            let place = Rect::new(NAMES_PX + column * tile_width, top, tile_width, tile_height);
            let mut place = Mat::roi_mut(&mut sheet, place)?;
            flat.reshape(3, tile_height)?.copy_to(&mut place)?;
        }
    }
    let picture =
        Picture::from_rgb(u32::try_from(width)?, u32::try_from(height)?, sheet.data_bytes()?.to_vec())?;
    images::write(&picture, output)?;
    eprintln!(
        "{}: {} corruptions at {} severities",
        output.display(),
        height / tile_height,
        SEVERITIES.len()
    );
    Ok(())
}

fn shrink(picture: &Picture) -> anyhow::Result<Picture> {
    let rows = i32::try_from(picture.height())?;
    let flat =
        Mat::new_rows_cols_with_bytes::<u8>(rows, i32::try_from(picture.width() * 3)?, picture.data())?;
    let height = (rows * TILE_PX / i32::try_from(picture.width())?.max(1)).max(32);
    let mut small = Mat::default();
    let size = Size::new(TILE_PX, height);
    imgproc::resize(&flat.reshape(3, rows)?, &mut small, size, 0.0, 0.0, imgproc::INTER_AREA)?;
    Ok(Picture::from_rgb(u32::try_from(TILE_PX)?, u32::try_from(height)?, small.data_bytes()?.to_vec())?)
}

fn write_text(sheet: &mut Mat, text: &str, x: i32, y: i32) -> opencv::Result<()> {
    let font = imgproc::FONT_HERSHEY_SIMPLEX;
    imgproc::put_text(sheet, text, Point::new(x, y), font, 0.45, Scalar::all(0.0), 1, imgproc::LINE_AA, false)
}
