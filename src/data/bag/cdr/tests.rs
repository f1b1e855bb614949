use proptest::prelude::*;

use super::*;

const YEAR_2106_NS: i64 = 4_294_967_296_000_000_000;

fn text() -> impl Strategy<Value = String> {
    "[^\0]{0,12}"
}

fn stamp() -> impl Strategy<Value = i64> {
    -YEAR_2106_NS / 2..YEAR_2106_NS / 2
}

prop_compose! {
    fn hypothesis()(class_id in text(), score in any::<f32>().prop_filter("comparable", |s| !s.is_nan())) -> Hypothesis {
        Hypothesis { class_id, score: f64::from(score) }
    }
}

prop_compose! {
    fn detection()(
        stamp_ns in stamp(), frame_id in text(), id in text(),
        results in proptest::collection::vec(hypothesis(), 0..3),
        numbers in proptest::array::uniform5(-1e9..1e9f64),
    ) -> Detection2D {
        let [center_x_px, center_y_px, theta_rad, size_x_px, size_y_px] = numbers;
        Detection2D {
            stamp_ns, frame_id, results, center_x_px, center_y_px, theta_rad, size_x_px, size_y_px, id,
        }
    }
}

proptest! {
    #[test]
    fn images_survive(
        stamp_ns in stamp(), frame_id in text(), height: u32, width: u32, encoding in text(),
        is_bigendian: u8, step: u32, data: Vec<u8>,
    ) {
        let image = Image {
            stamp_ns, frame_id: &frame_id, height, width, encoding: &encoding, is_bigendian, step, data: &data,
        };
        prop_assert_eq!(Image::decode(&image.encode().unwrap()).unwrap(), image);
    }

    #[test]
    fn compressed_images_survive(stamp_ns in stamp(), frame_id in text(), format in text(), data: Vec<u8>) {
        let image = CompressedImage { stamp_ns, frame_id: &frame_id, format: &format, data: &data };
        prop_assert_eq!(CompressedImage::decode(&image.encode().unwrap()).unwrap(), image);
    }

    #[test]
    fn detections_survive(
        stamp_ns in stamp(), frame_id in text(), detections in proptest::collection::vec(detection(), 0..5),
    ) {
        let array = Detection2DArray { stamp_ns, frame_id, detections };
        prop_assert_eq!(Detection2DArray::decode(&array.encode().unwrap()).unwrap(), array);
    }

    #[test]
    fn arbitrary_bytes_end_in_a_value_or_an_error(order in 0u8..2, mut bytes: Vec<u8>) {
        for plain in [false, true] {
            if plain {
                bytes.splice(0..0, [0, order, 0, 0]);
            }
            let _ = Image::decode(&bytes);
            let _ = CompressedImage::decode(&bytes);
            let _ = Detection2DArray::decode(&bytes);
        }
    }

    #[test]
    fn a_cut_message_is_an_error(cut in 0usize..69, data in Just([7u8; 16])) {
        let image = Image {
            stamp_ns: 5, frame_id: "camera", height: 2, width: 8, encoding: "mono8", is_bigendian: 0, step: 8,
            data: &data,
        };
        let message = image.encode().unwrap();
        prop_assert!(Image::decode(&message[..cut.min(message.len() - 1)]).is_err());
    }
}

#[test]
fn big_endian_messages_are_read() {
    let mut message = vec![0, 0, 0, 0];
    message.extend_from_slice(&3i32.to_be_bytes());
    message.extend_from_slice(&7u32.to_be_bytes());
    message.extend_from_slice(&2u32.to_be_bytes());
    message.extend_from_slice(b"c\0\0\0");
    message.extend_from_slice(&5u32.to_be_bytes());
    message.extend_from_slice(b"jpeg\0\0\0\0");
    message.extend_from_slice(&2u32.to_be_bytes());
    message.extend_from_slice(&[0xff, 0xd8]);
    let image = CompressedImage::decode(&message).unwrap();
    assert_eq!((image.stamp_ns, image.frame_id, image.format), (3_000_000_007, "c", "jpeg"));
    assert_eq!(image.data, [0xff, 0xd8]);
}

#[test]
fn what_is_wrong_is_said() {
    assert_eq!(
        Image::decode(&[0, 3, 0, 0, 1]).unwrap_err().to_string(),
        "message begins with [00, 03, 00, 00]: expected 00 00 or 00 01 (plain CDR, big or little-endian)"
    );
    // A length that claims 4 GiB.
    let mut message = vec![0, 1, 0, 0];
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(
        CompressedImage::decode(&message).unwrap_err().to_string(),
        "frame_id at byte 16 needs 4294967295 bytes, 0 are left: the message is cut off or not a \
         sensor_msgs/msg/CompressedImage"
    );
    let image = CompressedImage { stamp_ns: 0, frame_id: "a\0b", format: "", data: &[] };
    assert!(matches!(image.encode(), Err(CdrError::Unwritable { field: "frame_id", .. })));
}

#[test]
fn stamps_outside_the_message_are_clamped() {
    let image = CompressedImage { stamp_ns: i64::MAX, frame_id: "", format: "", data: &[] };
    let message = image.encode().unwrap();
    let read = CompressedImage::decode(&message).unwrap();
    assert_eq!(read.stamp_ns / 1_000_000_000, i64::from(i32::MAX));
}
