//! Models that cannot be used, and what is said about them.

use super::*;
use crate::detector::test_onnx::U8;

fn refusal(model: &ConstantModel, decoder: &str) -> String {
    loaded(model, decoder).unwrap_err().to_string()
}

fn refusal_of_bytes(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("toy.onnx"), bytes).unwrap();
    load(&manifest(folder.path(), "type = \"end_to_end\"")).unwrap_err().to_string()
}

fn end_to_end() -> ConstantModel {
    ConstantModel::new(&[1, 3, 64, 64]).output("o", &[1, 100, 6], vec![0.0; 600])
}

#[test]
fn a_missing_model_needs_no_runtime_to_be_told() {
    let folder = tempfile::tempdir().unwrap();
    let text = load(&manifest(folder.path(), "type = \"end_to_end\"")).unwrap_err().to_string();
    assert!(text.contains("toy.onnx") && text.contains("does not exist"), "{text}");
    assert!(refusal_of_bytes(b"").contains("is empty"));
    assert!(refusal_of_bytes(b"<!DOCTYPE html>").contains("is a web page"));
}

#[test]
fn another_file_than_the_manifests_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    end_to_end().write(&folder.path().join("toy.onnx"));
    let mut manifest = manifest(folder.path(), "type = \"end_to_end\"");
    manifest.sha256 = Some("a".repeat(64));
    let text = load(&manifest).unwrap_err().to_string();
    assert!(text.contains("expected aaaa") && text.contains("found "), "{text}");
}

#[test]
fn what_onnx_runtime_cannot_read_is_told() {
    if runtime_is_missing() {
        return;
    }
    let whole = end_to_end().to_bytes();
    for bytes in [&whole[..whole.len() / 2], b"this is no protobuf message", &[0x08; 1]] {
        let text = refusal_of_bytes(bytes);
        assert!(text.contains("ONNX Runtime cannot load model") && text.contains("toy.onnx"), "{text}");
    }
    assert!(refusal_of_bytes(&whole[..whole.len() / 2]).contains("cut off"));
}

#[test]
fn no_cut_and_no_flipped_bit_of_a_model_panics() {
    if runtime_is_missing() {
        return;
    }
    let whole = ConstantModel::new(&[1, 3, 64, 64]).output("o", &[1, 1, 6], vec![0.0; 6]).to_bytes();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toy.onnx");
    let manifest = manifest(folder.path(), "type = \"end_to_end\"");
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(load(&manifest).is_err(), "{length} of {} bytes", whole.len());
    }
    for at in 0..whole.len() {
        let mut spoilt = whole.clone();
        spoilt[at] ^= 0x15;
        std::fs::write(&path, &spoilt).unwrap();
        let _ = load(&manifest);
    }
}

#[test]
fn other_inputs_are_told_with_both_shapes() {
    if runtime_is_missing() {
        return;
    }
    let shape = |shape: &[i64]| ConstantModel { inputs: ConstantModel::new(shape).inputs, ..end_to_end() };
    for (found, text) in [
        (&[1, 3, 32, 64][..], "(1, 3, 32, 64)"),
        (&[1, 64, 64, 3], "(1, 64, 64, 3)"),
        (&[4, 3, 64, 64], "(4, 3, 64, 64)"),
        (&[1, -1, 32, 64], "(1, ?, 32, 64)"),
        (&[3, 64, 64], "(3, 64, 64)"),
    ] {
        let message = refusal(&shape(found), "type = \"end_to_end\"");
        assert!(message.contains("expected one input of float32 (1, 3, 64, 64)"), "{message}");
        assert!(message.contains(&format!("found `images` float32 {text}")), "{message}");
    }
    let mut model = end_to_end();
    model.inputs[0].1 = U8;
    let message = refusal(&model, "type = \"end_to_end\"");
    assert!(message.contains("found `images` uint8"), "{message}");
    model.inputs.push(("sizes".to_owned(), 7, vec![1, 2]));
    let message = refusal(&model, "type = \"end_to_end\"");
    assert!(message.contains("`sizes` int64 (1, 2)"), "{message}");
}

#[test]
fn other_outputs_and_class_counts_are_told() {
    if runtime_is_missing() {
        return;
    }
    let message = refusal(&end_to_end(), "type = \"yolov8\"");
    assert!(message.contains("decoder `yolov8`: expected (1, 4 + 3, N)"), "{message}");
    assert!(message.contains("found `o` (1, 100, 6)"), "{message}");

    let five = ConstantModel::new(&[1, 3, 64, 64]).output("preds", &[1, 9, 200], vec![0.0; 1800]);
    let message = refusal(&five, "type = \"yolov8\"");
    assert!(message.contains("expected 3 classes") && message.contains("found 5"), "{message}");
    assert!(message.contains("`preds` of shape (1, 9, 200)"), "{message}");
}

#[test]
fn logits_without_their_activation_are_told() {
    if runtime_is_missing() {
        return;
    }
    let logits = ConstantModel::new(&[1, 3, 64, 64]).output("preds", &[1, 7, 200], vec![-3.0; 1400]);
    let message = refusal(&logits, "type = \"yolov8\"");
    assert!(message.contains("found -3") && message.contains("activation"), "{message}");
    loaded(&logits, "type = \"yolov8\", activation = \"sigmoid\"").unwrap();
}
