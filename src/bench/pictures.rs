//! What is measured on.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use opencv::core::{Mat, MatTraitConst, MatTraitConstManual, Size as CvSize};
use opencv::imgproc::{self, INTER_AREA};

use super::error::SizeError;
use super::report::Input;
use super::{BenchError, Size};
use crate::data::source::{self, SourceFrame, SourceOptions, SourcePixels};
use crate::image::{ChannelOrder, CompressedDecoder, Converter, DecodeLimits, ImageError, PixelView};
use crate::pipeline::FramePixels;

/// At most so many pictures of an input are held in memory, as many as NVIDIA's `ros2_benchmark` buffers.
pub const MAX_PICTURES: usize = 100;
/// Made pictures: several, so that no cache holds the one that comes next.
const SYNTHETIC: u32 = 8;
/// Longest side of a picture, pixels.
const MAX_SIDE_PX: u32 = 16_384;

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let side = |text: &str| text.parse::<u32>().ok().filter(|side| (1..=MAX_SIDE_PX).contains(side));
        let sides = text.split_once('x').and_then(|(width, height)| Some((side(width)?, side(height)?)));
        let (width, height) = sides.ok_or_else(|| SizeError { found: text.to_owned() })?;
        Ok(Self { width, height })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// Pictures in memory, each known to be usable.
#[derive(Debug, Clone)]
pub struct Pictures {
    frames: Vec<SourceFrame>,
    input: Input,
}

impl Pictures {
    /// Made pictures, RGB, the same at every call: hard edges, gradients and noise.
    #[must_use]
    pub fn synthetic(size: Size) -> Self {
        let frames = (0..SYNTHETIC).map(|index| {
            let data = synthetic(size, index);
            let pixels = SourcePixels::Pixels {
                order: ChannelOrder::Rgb,
                width: size.width,
                height: size.height,
                data,
            };
            frame(u64::from(index), format!("synthetic {index}"), pixels)
        });
        let frames: Vec<_> = frames.collect();
        let count = frames.len();
        Self {
            frames,
            input: Input { name: "synthetic".into(), size: Some(size), pictures: count, left_out: 0 },
        }
    }

    /// The first [`MAX_PICTURES`] pictures of a folder, a video or a bag. With a `size` they are decoded and scaled now,
    /// so that what remains to be converted is nothing; without, they stay as they are: compressed ones are
    /// decompressed each time, as the node does.
    ///
    /// # Errors
    /// The input cannot be read, is empty, or holds a picture that cannot be used.
    pub fn open(path: &Path, size: Option<Size>) -> Result<Self, BenchError> {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let (mut raw, mut compressed) = (Converter::new(), CompressedDecoder::new(DecodeLimits::default()));
        let (mut frames, mut left_out, mut sizes) = (Vec::new(), 0, Vec::new());
        for found in source::open(path, &SourceOptions::default())? {
            let mut found = found?;
            if frames.len() >= MAX_PICTURES {
                left_out += 1;
                continue;
            }
            let of = |source| BenchError::Picture { name: found.name.clone(), source };
            let view = pixels(&found, &mut raw, &mut compressed).map_err(of)?;
            sizes.push(Size { width: view.width(), height: view.height() });
            if let Some(size) = size {
                let scaled = scaled(&view, size);
                found.pixels =
                    scaled.map_err(|source| BenchError::Scale { name: found.name.clone(), size, source })?;
            }
            frames.push(found);
        }
        let first = sizes.first().copied().ok_or_else(|| BenchError::NoPictures { name: name.clone() })?;
        let size = size.or_else(|| sizes.iter().all(|size| *size == first).then_some(first));
        let input = Input { name, size, pictures: frames.len(), left_out };
        Ok(Self { frames, input })
    }

    /// The pictures; never empty.
    #[must_use]
    pub fn frames(&self) -> &[SourceFrame] {
        &self.frames
    }

    /// What they are.
    #[must_use]
    pub fn input(&self) -> &Input {
        &self.input
    }
}

/// A frame's pixels, through the converters that a camera has in the pipeline.
pub(super) fn pixels<'a>(
    frame: &'a SourceFrame,
    raw: &'a mut Converter,
    compressed: &'a mut CompressedDecoder,
) -> Result<PixelView<'a>, ImageError> {
    match frame.as_frame()?.pixels {
        FramePixels::Raw(view) => raw.convert(&view),
        FramePixels::Compressed { format, data } => compressed.decode(format, data),
        FramePixels::Pixels(pixels) => Ok(pixels),
    }
}

fn frame(index: u64, name: String, pixels: SourcePixels) -> SourceFrame {
    SourceFrame { camera: 0, index, stamp_ns: 0, log_time_ns: 0, frame_id: String::new(), name, pixels }
}

fn scaled(view: &PixelView<'_>, size: Size) -> opencv::Result<SourcePixels> {
    let packed: Vec<u8> = view.rows().flatten().copied().collect();
    let rows = i32::try_from(view.height())?;
    let flat = Mat::new_rows_cols_with_bytes::<u8>(rows, i32::try_from(view.bytes_per_row())?, &packed)?;
    let from = flat.reshape(i32::try_from(view.order().channels())?, rows)?;
    let mut to = Mat::default();
    let wanted = CvSize::new(i32::try_from(size.width)?, i32::try_from(size.height)?);
    imgproc::resize(&from, &mut to, wanted, 0.0, 0.0, INTER_AREA)?;
    let data = to.data_bytes()?.to_vec();
    Ok(SourcePixels::Pixels { order: view.order(), width: size.width, height: size.height, data })
}

fn synthetic(size: Size, index: u32) -> Vec<u8> {
    let mut data = Vec::with_capacity(size.width as usize * size.height as usize * 3);
    // a linear congruential generator, with the constants of Numerical Recipes' ranqd1
    let mut random = index.wrapping_mul(2_654_435_761).wrapping_add(1);
    for y in 0..size.height {
        for x in 0..size.width {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = random >> 28;
            let block = ((x + index * 40) / 96 + y / 64) % 3 * 70;
            let ramp = x * 90 / size.width;
            for channel in 0..3 {
                data.push((block + ramp + noise + channel * 10).min(255) as u8);
            }
        }
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written_alike() {
        let size: Size = "1280x720".parse().unwrap();
        assert_eq!((size.width, size.height, size.to_string()), (1280, 720, "1280x720".to_owned()));
        for wrong in ["", "1280", "x", "1280x", "0x10", "12 x 10", "-1x5", "20000x10", "1280×720", "1x2x3"] {
            let error = wrong.parse::<Size>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{wrong}`")) && error.contains("1280x720"), "{error}");
        }
    }

    #[test]
    fn made_pictures_are_the_same_each_time_and_differ_from_each_other() {
        let size = Size { width: 64, height: 40 };
        let made = Pictures::synthetic(size);
        assert_eq!(made.frames(), Pictures::synthetic(size).frames());
        assert_eq!((made.frames().len(), made.input().size), (8, Some(size)));
        assert_ne!(made.frames()[0].pixels, made.frames()[1].pixels);
        assert!(made.frames().iter().all(|frame| frame.as_frame().is_ok()));
    }

    #[test]
    fn a_folder_is_kept_as_it_is_or_scaled() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, width: u32, height: u32| {
            let file = std::fs::File::create(folder.path().join(name)).unwrap();
            let mut encoder = png::Encoder::new(file, width, height);
            encoder.set_color(png::ColorType::Rgb);
            let mut writer = encoder.write_header().unwrap();
            writer.write_image_data(&vec![90; (width * height * 3) as usize]).unwrap();
        };
        let error = Pictures::open(folder.path(), None).unwrap_err().to_string();
        assert!(error.contains("holds no image"), "{error}");
        write("a.png", 40, 32);
        let one = Pictures::open(folder.path(), None).unwrap();
        assert_eq!((one.input().size, one.input().pictures), (Some(Size { width: 40, height: 32 }), 1));
        assert!(matches!(one.frames()[0].pixels, SourcePixels::Compressed { .. }));
        write("b.png", 64, 32);
        assert_eq!(Pictures::open(folder.path(), None).unwrap().input().size, None);
        let size = Size { width: 20, height: 10 };
        let scaled = Pictures::open(folder.path(), Some(size)).unwrap();
        let SourcePixels::Pixels { width: 20, height: 10, data, .. } = &scaled.frames()[1].pixels else {
            panic!("{:?}", scaled.frames()[1])
        };
        assert_eq!(data, &vec![90; 600]);
        std::fs::write(folder.path().join("c.png"), "no picture").unwrap();
        let error = Pictures::open(folder.path(), None).unwrap_err().to_string();
        assert!(error.contains("c.png") && error.contains("take it out"), "{error}");
    }
}
