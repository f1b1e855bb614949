use opencv::core::{Mat, MatTraitConst, MatTraitConstManual, Point, Rect, Scalar};
use opencv::imgproc;
use opencv::imgproc::{
    COLOR_BGRA2BGR, COLOR_GRAY2BGR, COLOR_RGB2BGR, COLOR_RGBA2BGR, FILLED, FONT_HERSHEY_SIMPLEX, LINE_8,
};

use crate::detector::Detection;
use crate::image::{ChannelOrder, PixelView};

/// A picture could not be annotated; only OpenCV running out of memory does that to a valid picture.
#[derive(Debug, thiserror::Error)]
#[error("annotating an image of {width} × {height} px failed: {source}")]
pub struct AnnotateError {
    width: u32,
    height: u32,
    source: opencv::Error,
}

/// Draws detections into a copy of a picture. Keeps its buffers from frame to frame.
#[derive(Debug, Default)]
pub struct Annotator {
    packed: Vec<u8>,
    canvas: Mat,
}

/// An annotated picture, BGR, 8 bits per channel, rows without padding.
#[derive(Debug)]
pub struct Annotated<'a> {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `width × height × 3` bytes.
    pub bgr: &'a [u8],
}

impl Annotator {
    /// Copies `pixels` and draws each detection with the name of its class and its score.
    ///
    /// # Errors
    /// OpenCV fails (out of memory).
    pub fn annotate<'d>(
        &mut self,
        pixels: &PixelView<'_>,
        detections: impl IntoIterator<Item = &'d Detection>,
        class_names: &[String],
    ) -> Result<Annotated<'_>, AnnotateError> {
        let (width, height) = (pixels.width(), pixels.height());
        let drawn = self.draw(pixels, detections, class_names);
        let bytes = drawn.and_then(|()| self.canvas.data_bytes());
        let bgr = bytes.map_err(|source| AnnotateError { width, height, source })?;
        Ok(Annotated { width, height, bgr })
    }

    fn draw<'d>(
        &mut self,
        pixels: &PixelView<'_>,
        detections: impl IntoIterator<Item = &'d Detection>,
        class_names: &[String],
    ) -> opencv::Result<()> {
        self.copy(pixels)?;
        // Line width and letters that stay readable from a thumbnail to 4K.
        let scale = f64::from(pixels.width().max(pixels.height())) / 1280.0;
        let line = (2.0 * scale).round().max(1.0) as i32;
        for detection in detections {
            let colour = class_colour(detection.class_id);
            let bbox = &detection.bbox;
            let left = bbox.x_min.round() as i32;
            let top = bbox.y_min.round() as i32;
            let rect = Rect::new(left, top, bbox.width().round() as i32, bbox.height().round() as i32);
            imgproc::rectangle(&mut self.canvas, rect, colour, line, LINE_8, 0)?;
            let name = class_names.get(detection.class_id as usize).map_or("?", String::as_str);
            self.label(&format!("{name} {:.2}", detection.score), left, top, scale, colour)?;
        }
        Ok(())
    }

    /// Copies into `self.canvas`, as BGR.
    fn copy(&mut self, pixels: &PixelView<'_>) -> opencv::Result<()> {
        self.packed.clear();
        pixels.rows().for_each(|row| self.packed.extend_from_slice(row));
        let rows = i32::try_from(pixels.height())?;
        let row_bytes = i32::try_from(pixels.bytes_per_row())?;
        let packed = Mat::new_rows_cols_with_bytes::<u8>(rows, row_bytes, &self.packed)?;
        let source = packed.reshape(i32::try_from(pixels.order().channels())?, rows)?;
        let code = match pixels.order() {
            ChannelOrder::Bgr => return source.copy_to(&mut self.canvas),
            ChannelOrder::Rgb => COLOR_RGB2BGR,
            ChannelOrder::Rgba => COLOR_RGBA2BGR,
            ChannelOrder::Bgra => COLOR_BGRA2BGR,
            ChannelOrder::Mono => COLOR_GRAY2BGR,
        };
        imgproc::cvt_color_def(&source, &mut self.canvas, code)
    }

    /// Writes `text` on a filled bar above (x, y), or below where there is no room.
    fn label(&mut self, text: &str, x: i32, y: i32, scale: f64, colour: Scalar) -> opencv::Result<()> {
        let font_scale = 0.55 * scale.max(0.6);
        let thickness = (1.2 * scale).round().max(1.0) as i32;
        let mut baseline = 0;
        let size = imgproc::get_text_size(text, FONT_HERSHEY_SIMPLEX, font_scale, thickness, &mut baseline)?;
        let height = size.height + baseline + 2;
        let x = x.clamp(0, (self.canvas.cols() - size.width).max(0));
        let top = if y >= height { y - height } else { y.max(0) };
        imgproc::rectangle(
            &mut self.canvas,
            Rect::new(x, top, size.width + 2, height),
            colour,
            FILLED,
            LINE_8,
            0,
        )?;
        let origin = Point::new(x + 1, top + size.height + 1);
        let ink = Scalar::new(255.0, 255.0, 255.0, 0.0);
        imgproc::put_text(
            &mut self.canvas,
            text,
            origin,
            FONT_HERSHEY_SIMPLEX,
            font_scale,
            ink,
            thickness,
            imgproc::LINE_AA,
            false,
        )
    }
}

/// A colour of its own for each class: hues a golden angle apart, dark enough for white letters.
fn class_colour(class_id: u32) -> Scalar {
    let hue = (f64::from(class_id) * 137.507_764).rem_euclid(360.0) / 60.0;
    let (value, saturation) = (190.0, 0.75);
    let channel = |n: f64| {
        let k = (n + hue).rem_euclid(6.0);
        value - value * saturation * k.min(4.0 - k).clamp(0.0, 1.0)
    };
    // HSV to RGB in its branch-free form, written in the order blue, green, red.
    Scalar::new(channel(1.0), channel(3.0), channel(5.0), 0.0)
}
