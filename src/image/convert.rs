//! From any raw encoding to interleaved 8-bit pixels.

use opencv::core::{Mat, MatTraitConst, MatTraitConstManual, Rect};
use opencv::imgproc;

use super::{BayerPattern, ChannelOrder, Encoding, Endianness, ImageError, ImageView, PixelView};

/// Turns raw images into [`PixelView`]s, keeping its buffers from frame to frame.
///
/// One per camera: after the first frame of a size, no pixel buffer is allocated any more.
#[derive(Debug, Default)]
pub struct Converter {
    /// What `OpenCV` writes to; it allocates only when the size changes.
    bgr: Mat,
    /// 8-bit grey made from 16-bit, or the copy of an image whose last row lacks its padding.
    bytes: Vec<u8>,
}

impl Converter {
    /// A converter without buffers yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The pixels of `view`.
    ///
    /// RGB, BGR, RGBA, BGRA and 8-bit grey are borrowed as they are, padding included. 16-bit grey keeps the
    /// high byte of every pixel. Bayer (bilinear interpolation) and YUV (ITU-R BT.601, limited range) become
    /// BGR.
    ///
    /// # Errors
    /// [`ImageError::OpenCv`] if `OpenCV` refuses, which a checked view gives it no reason to.
    pub fn convert<'a>(&'a mut self, view: &ImageView<'a>) -> Result<PixelView<'a>, ImageError> {
        let order = match view.encoding() {
            Encoding::Rgb8 => ChannelOrder::Rgb,
            Encoding::Bgr8 => ChannelOrder::Bgr,
            Encoding::Rgba8 => ChannelOrder::Rgba,
            Encoding::Bgra8 => ChannelOrder::Bgra,
            Encoding::Mono8 => ChannelOrder::Mono,
            Encoding::Mono16(endianness) => return self.high_bytes(view, endianness),
            Encoding::Bayer8(pattern) => return self.convert_colours(view, bayer_code(pattern), 1),
            Encoding::Uyvy => return self.convert_colours(view, imgproc::COLOR_YUV2BGR_UYVY, 2),
            Encoding::Yuyv => return self.convert_colours(view, imgproc::COLOR_YUV2BGR_YUY2, 2),
            Encoding::Nv12 => return self.convert_colours(view, imgproc::COLOR_YUV2BGR_NV12, 1),
        };
        PixelView::new(order, view.width(), view.height(), view.step(), view.data())
    }

    /// 16-bit grey to 8-bit grey: a linear scale that no picture content can shift.
    fn high_bytes(
        &mut self,
        view: &ImageView<'_>,
        endianness: Endianness,
    ) -> Result<PixelView<'_>, ImageError> {
        let row_bytes = view.encoding().bytes_per_row(view.width());
        self.bytes.clear();
        for row in view.data().chunks(view.step()) {
            let (pixels, _) = row.get(..row_bytes).unwrap_or(row).as_chunks::<2>();
            match endianness {
                Endianness::Little => self.bytes.extend(pixels.iter().map(|[_, high]| high)),
                Endianness::Big => self.bytes.extend(pixels.iter().map(|[high, _]| high)),
            }
        }
        PixelView::new(ChannelOrder::Mono, view.width(), view.height(), view.width() as usize, &self.bytes)
    }

    fn convert_colours(
        &mut self,
        view: &ImageView<'_>,
        code: i32,
        source_channels: i32,
    ) -> Result<PixelView<'_>, ImageError> {
        let Self { bgr, bytes } = self;
        let pixels =
            cvt_color(view, code, source_channels, bgr, bytes).map_err(|error| ImageError::OpenCv {
                encoding: view.encoding(),
                width: view.width(),
                height: view.height(),
                reason: error.to_string(),
            })?;
        PixelView::new(ChannelOrder::Bgr, view.width(), view.height(), 3 * view.width() as usize, pixels)
    }
}

/// Runs `OpenCV`'s `cvtColor` on `view` in place; `destination` is reused, `copy` only if it has to be.
fn cvt_color<'a>(
    view: &ImageView<'_>,
    code: i32,
    source_channels: i32,
    destination: &'a mut Mat,
    copy: &mut Vec<u8>,
) -> opencv::Result<&'a [u8]> {
    let rows = view.encoding().rows(view.height());
    let row_bytes = view.encoding().bytes_per_row(view.width());
    let complete = view.step() * rows;
    let data = if view.data().len() == complete {
        view.data()
    } else {
        // The safe way to lay a matrix over borrowed rows wants the last row's padding too.
        copy.clear();
        copy.extend_from_slice(view.data());
        copy.resize(complete, 0);
        copy.as_slice()
    };
    // The matrix covers the padding as if it were pixels, the region leaves it out again.
    let padded =
        Mat::new_rows_cols_with_bytes::<u8>(i32::try_from(rows)?, i32::try_from(view.step())?, data)?;
    let region = Mat::roi(&padded, Rect::new(0, 0, i32::try_from(row_bytes)?, i32::try_from(rows)?))?;
    let source = region.reshape_def(source_channels)?;
    imgproc::cvt_color_def(&source, destination, code)?;
    destination.data_bytes()
}

/// `OpenCV` names a Bayer pattern by the second and third pixel of the *second* row, ROS by the first pixels
/// of the first two rows: what ROS calls RGGB is `OpenCV`'s BG.
fn bayer_code(pattern: BayerPattern) -> i32 {
    match pattern {
        BayerPattern::Rggb => imgproc::COLOR_BayerBG2BGR,
        BayerPattern::Bggr => imgproc::COLOR_BayerRG2BGR,
        BayerPattern::Gbrg => imgproc::COLOR_BayerGR2BGR,
        BayerPattern::Grbg => imgproc::COLOR_BayerGB2BGR,
    }
}
