//! Received images in the middleware's own memory, so that pixels are not copied once more.

use r2r::sensor_msgs::msg::{CompressedImage, Image};
use r2r::{NativeMsg, WrappedTypesupport};

use crate::data::bag::cdr::{self, CdrError};
use crate::image::{Encoding, ImageError, ImageView};
use crate::pipeline::FramePixels;

/// An image message as the middleware delivered it, owned by us alone.
pub(crate) enum NativeImage {
    Raw(NativeMsg<Image>),
    Compressed(NativeMsg<CompressedImage>),
}

// SAFETY: the message is a heap object of the rosidl C runtime, owned by this value alone (r2r hands it out
// right after the take and keeps no pointer to it). Nothing in it belongs to a thread: it is freed with the
// rosidl allocator, which may be done from any thread. Image types are never loaned (loans exist only for
// plain types without sequences), so no middleware handle is involved in freeing it; `NativeImage::new_*`
// refuse loaned messages.
#[allow(unsafe_code, reason = "hands a message, which r2r keeps behind a raw pointer, to the worker thread")]
unsafe impl Send for NativeImage {}

impl NativeImage {
    /// Takes over a raw image; `None` if the middleware only lent it.
    pub(crate) fn raw(message: NativeMsg<Image>) -> Option<Self> {
        (!message.is_loaned).then_some(Self::Raw(message))
    }

    /// Takes over a compressed image; `None` if the middleware only lent it.
    pub(crate) fn compressed(message: NativeMsg<CompressedImage>) -> Option<Self> {
        (!message.is_loaned).then_some(Self::Compressed(message))
    }

    /// The header's stamp in nanoseconds.
    pub(crate) fn stamp_ns(&self) -> i64 {
        let stamp = match self {
            Self::Raw(message) => &message.header.stamp,
            Self::Compressed(message) => &message.header.stamp,
        };
        i64::from(stamp.sec) * 1_000_000_000 + i64::from(stamp.nanosec)
    }

    /// The header's coordinate frame; empty if it is not UTF-8.
    pub(crate) fn frame_id(&self) -> &str {
        match self {
            Self::Raw(message) => message.header.frame_id.to_str(),
            Self::Compressed(message) => message.header.frame_id.to_str(),
        }
    }

    /// Bytes of the pixels or of the compressed picture.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Raw(message) => message.data.size,
            Self::Compressed(message) => message.data.size,
        }
    }

    /// The message as it came, for a bag.
    ///
    /// # Errors
    /// A text that CDR does not hold.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, CdrError> {
        let (stamp_ns, frame_id) = (self.stamp_ns(), self.frame_id());
        match self {
            Self::Raw(message) => cdr::Image {
                stamp_ns,
                frame_id,
                height: message.height,
                width: message.width,
                encoding: message.encoding.to_str(),
                is_bigendian: message.is_bigendian,
                step: message.step,
                data: bytes::<Image>(message.data.data, message.data.size, message),
            }
            .encode(),
            Self::Compressed(message) => cdr::CompressedImage {
                stamp_ns,
                frame_id,
                format: message.format.to_str(),
                data: bytes::<CompressedImage>(message.data.data, message.data.size, message),
            }
            .encode(),
        }
    }

    /// The picture.
    ///
    /// # Errors
    /// A raw image whose encoding, size, step and data do not fit together. A compressed one is looked into
    /// only when it is decoded.
    pub(crate) fn pixels(&self) -> Result<FramePixels<'_>, ImageError> {
        match self {
            Self::Raw(message) => {
                let encoding = Encoding::from_ros(message.encoding.to_str(), message.is_bigendian != 0)?;
                let data = bytes::<Image>(message.data.data, message.data.size, message);
                let step = usize::try_from(message.step).unwrap_or(usize::MAX);
                ImageView::new(encoding, message.width, message.height, step, data).map(FramePixels::Raw)
            }
            Self::Compressed(message) => Ok(FramePixels::Compressed {
                format: message.format.to_str(),
                data: bytes::<CompressedImage>(message.data.data, message.data.size, message),
            }),
        }
    }
}

/// The bytes of a `uint8[]` field of `owner`.
fn bytes<T: WrappedTypesupport>(data: *const u8, size: usize, _owner: &NativeMsg<T>) -> &[u8] {
    if data.is_null() || size == 0 {
        return &[];
    }
    // SAFETY: a rosidl sequence that is not null holds `size` initialised elements; it lives as long as the
    // message, which is borrowed for the lifetime of the slice, and nobody changes it (sole owner, `&`).
    #[allow(unsafe_code, reason = "reads the middleware's buffer in place")]
    unsafe {
        std::slice::from_raw_parts(data, size)
    }
}
