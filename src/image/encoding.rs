//! The pixel encodings of raw images.

use super::ImageError;
use super::error::shorten;

/// Order of the bytes of a 16-bit pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endianness {
    /// Low byte first.
    Little,
    /// High byte first.
    Big,
}

/// Colours of the top-left 2×2 pixels of a Bayer mosaic, in reading order (the convention of ROS).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BayerPattern {
    /// Red, green; green, blue.
    Rggb,
    /// Blue, green; green, red.
    Bggr,
    /// Green, blue; red, green.
    Gbrg,
    /// Green, red; blue, green.
    Grbg,
}

/// How the bytes of a raw image are pixels.
///
/// YUV encodings are ITU-R BT.601, limited range (luma 16 to 235), which is what camera drivers deliver
/// and what `OpenCV`'s conversion assumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Red, green, blue.
    Rgb8,
    /// Blue, green, red.
    Bgr8,
    /// Red, green, blue, alpha.
    Rgba8,
    /// Blue, green, red, alpha.
    Bgra8,
    /// Grey, 8 bits.
    Mono8,
    /// Grey, 16 bits using the full range.
    Mono16(Endianness),
    /// One 8-bit sample per pixel behind a colour filter mosaic.
    Bayer8(BayerPattern),
    /// YUV 4:2:2 packed as U Y V Y: two bytes per pixel, even width.
    Uyvy,
    /// YUV 4:2:2 packed as Y U Y V: two bytes per pixel, even width.
    Yuyv,
    /// YUV 4:2:0: a plane of Y, under it a plane of U V pairs at half resolution; even width and height.
    Nv12,
}

/// Every name that [`Encoding::from_ros`] knows, for the message about the ones that it doesn't.
pub(super) const SUPPORTED_NAMES: &str = "rgb8, bgr8, rgba8, bgra8, mono8, mono16, bayer_rggb8, bayer_bggr8, \
     bayer_gbrg8, bayer_grbg8, uyvy, yuv422, yuyv, yuv422_yuy2, nv12, 8UC1, 8UC3, 8UC4, 16UC1";

impl Encoding {
    /// The encoding that a `sensor_msgs/Image` names in `encoding` and `is_bigendian`.
    ///
    /// The names are those of `sensor_msgs/image_encodings.hpp`, and `nv12`, which drivers use though it is
    /// not in that list. `OpenCV`'s type names are read as `cv_bridge` writes them: `8UC1` as grey, `8UC3` as
    /// BGR, `8UC4` as BGRA, `16UC1` as 16-bit grey. `is_bigendian` matters to 16-bit encodings only.
    ///
    /// # Errors
    /// [`ImageError::UnknownEncoding`], which lists the supported names.
    pub fn from_ros(name: &str, is_bigendian: bool) -> Result<Self, ImageError> {
        let endianness = if is_bigendian { Endianness::Big } else { Endianness::Little };
        Ok(match name {
            "rgb8" => Self::Rgb8,
            "bgr8" | "8UC3" => Self::Bgr8,
            "rgba8" => Self::Rgba8,
            "bgra8" | "8UC4" => Self::Bgra8,
            "mono8" | "8UC1" => Self::Mono8,
            "mono16" | "16UC1" => Self::Mono16(endianness),
            "bayer_rggb8" => Self::Bayer8(BayerPattern::Rggb),
            "bayer_bggr8" => Self::Bayer8(BayerPattern::Bggr),
            "bayer_gbrg8" => Self::Bayer8(BayerPattern::Gbrg),
            "bayer_grbg8" => Self::Bayer8(BayerPattern::Grbg),
            "uyvy" | "yuv422" => Self::Uyvy,
            "yuyv" | "yuv422_yuy2" => Self::Yuyv,
            "nv12" => Self::Nv12,
            _ => return Err(ImageError::UnknownEncoding { name: shorten(name) }),
        })
    }

    /// The name in ROS; of several names, the one that is not deprecated.
    #[must_use]
    pub fn ros_name(self) -> &'static str {
        match self {
            Self::Rgb8 => "rgb8",
            Self::Bgr8 => "bgr8",
            Self::Rgba8 => "rgba8",
            Self::Bgra8 => "bgra8",
            Self::Mono8 => "mono8",
            Self::Mono16(_) => "mono16",
            Self::Bayer8(BayerPattern::Rggb) => "bayer_rggb8",
            Self::Bayer8(BayerPattern::Bggr) => "bayer_bggr8",
            Self::Bayer8(BayerPattern::Gbrg) => "bayer_gbrg8",
            Self::Bayer8(BayerPattern::Grbg) => "bayer_grbg8",
            Self::Uyvy => "uyvy",
            Self::Yuyv => "yuyv",
            Self::Nv12 => "nv12",
        }
    }

    /// Bytes that the pixels of one row take, without padding. `width` is in pixels.
    ///
    /// For [`Encoding::Nv12`] this is a row of the Y plane; the rows of U V pairs are as long.
    #[must_use]
    pub fn bytes_per_row(self, width: u32) -> usize {
        let bytes_per_pixel: usize = match self {
            Self::Mono8 | Self::Bayer8(_) | Self::Nv12 => 1,
            Self::Mono16(_) | Self::Uyvy | Self::Yuyv => 2,
            Self::Rgb8 | Self::Bgr8 => 3,
            Self::Rgba8 | Self::Bgra8 => 4,
        };
        bytes_per_pixel.saturating_mul(width as usize)
    }

    /// Rows of bytes of an image that is `height` pixels high: `height`, or half more for the U V plane of
    /// [`Encoding::Nv12`].
    #[must_use]
    pub fn rows(self, height: u32) -> usize {
        let rows = height as usize;
        match self {
            Self::Nv12 => rows.saturating_add(rows / 2),
            _ => rows,
        }
    }

    /// What is wrong with this size for this encoding, in words; `None` if nothing is.
    pub(super) fn size_rule_broken(self, width: u32, height: u32) -> Option<&'static str> {
        match self {
            Self::Uyvy | Self::Yuyv if !width.is_multiple_of(2) => {
                Some("an even width, two pixels share their colour")
            }
            Self::Nv12 if !width.is_multiple_of(2) || !height.is_multiple_of(2) => {
                Some("an even width and height, 2x2 pixels share their colour")
            }
            // The neighbours that a pixel's colours come from must exist: OpenCV leaves smaller ones black.
            Self::Bayer8(_) if width < 3 || height < 3 => Some("at least 3x3 px to interpolate colours from"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_supported_name_is_read_and_the_names_written_are_read_back() {
        for name in SUPPORTED_NAMES.split(", ") {
            for is_bigendian in [false, true] {
                let encoding = Encoding::from_ros(name.trim(), is_bigendian).unwrap();
                assert_eq!(
                    Encoding::from_ros(encoding.ros_name(), is_bigendian).unwrap(),
                    encoding,
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn endianness_is_that_of_the_message() {
        assert_eq!(Encoding::from_ros("mono16", false).unwrap(), Encoding::Mono16(Endianness::Little));
        assert_eq!(Encoding::from_ros("16UC1", true).unwrap(), Encoding::Mono16(Endianness::Big));
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_names_that_are_known() {
        for name in ["", "RGB8", "rgb8 ", "rgb16", "32FC1", "bayer_rggb16", "nv21", "8UC2", "\0"] {
            let message = Encoding::from_ros(name, false).unwrap_err().to_string();
            assert!(message.contains(&format!("{name:?}")) && message.contains("bayer_grbg8"), "{message}");
        }
        let message = Encoding::from_ros(&"é\n".repeat(100_000), false).unwrap_err().to_string();
        assert!(message.len() < 1_000 && !message.contains('\n'), "{message}");
    }

    #[test]
    fn row_and_plane_sizes() {
        assert_eq!(Encoding::Rgb8.bytes_per_row(640), 1_920);
        assert_eq!(Encoding::Bgra8.bytes_per_row(640), 2_560);
        assert_eq!(Encoding::Yuyv.bytes_per_row(640), 1_280);
        assert_eq!(Encoding::Nv12.bytes_per_row(640), 640);
        assert_eq!(Encoding::Nv12.rows(480), 720);
        assert_eq!(Encoding::Uyvy.rows(480), 480);
    }
}
