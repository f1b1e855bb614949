use std::path::Path;

use prost::Message as _;

use super::proto::{NodeProto, StringEntry, TensorProto};
use super::*;

fn error(bytes: &[u8]) -> String {
    Model::from_bytes(bytes, Path::new("m.onnx"), String::new()).unwrap_err().to_string()
}

#[test]
fn what_is_loaded_is_saved() {
    let bytes = build::small().encode_to_vec();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, &bytes).unwrap();
    let model = Model::load(&path, None).unwrap();
    assert_eq!((model.opset(), model.graph().node.len()), (17, 7));
    let copy = folder.path().join("copy.onnx");
    assert_eq!(model.save(&copy).unwrap(), bytes);
    assert_eq!(std::fs::read(&copy).unwrap(), bytes);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing partial is left");
    let nowhere = model.save(&folder.path().join("no/folder.onnx")).unwrap_err().to_string();
    assert!(nowhere.contains("cannot write"), "{nowhere}");
}

#[test]
fn a_default_that_is_written_stays_written() {
    let mut proto = build::small();
    let graph = proto.graph.as_mut().unwrap();
    graph.node[0] = graph.node[0].clone().with_int("group", 0);
    let bytes = proto.encode_to_vec();
    assert_eq!(build::model(&proto).to_bytes(), bytes);
}

#[test]
fn a_cut_off_file_is_refused_wherever_it_is_cut() {
    let bytes = build::small().encode_to_vec();
    let mut whole = 0;
    for length in 1..bytes.len() {
        match Model::from_bytes(&bytes[..length], Path::new("m.onnx"), String::new()) {
            Ok(_) => whole += 1,
            Err(error) => assert!(error.to_string().starts_with("model `m.onnx`: expected "), "{error}"),
        }
    }
    assert_eq!(whole, 0);
}

#[test]
fn a_damaged_file_is_read_or_refused() {
    let bytes = build::small().encode_to_vec();
    for place in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[place] ^= flip;
            if let Ok(mut model) = Model::from_bytes(&damaged, Path::new("m.onnx"), String::new()) {
                let _ = model.graph_mut().sort();
                let _ = model.graph().initializer.iter().map(TensorProto::f32_values).count();
            }
        }
    }
}

#[test]
fn what_is_no_model_is_named() {
    for bytes in [&b"some text that is no model at all"[..], &[0xff; 64], b"\x89PNG\r\n\x1a\n0000", &[0; 40]]
    {
        let error = error(bytes);
        assert!(error.contains("expected a complete ONNX model"), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.onnx");
    std::fs::write(&path, "version https://git-lfs.github.com/spec/v1\noid sha256:1").unwrap();
    let error = Model::load(&path, None).unwrap_err().to_string();
    assert!(error.contains("git lfs pull"), "{error}");
}

#[test]
fn what_would_be_lost_is_refused() {
    let mut bytes = build::small().encode_to_vec();
    bytes.extend([0xca, 0x01, 0x00]); // `functions` (25), of length 0
    let error = error(&bytes);
    assert!(error.contains("field 25") && error.contains("`model`"), "{error}");
}

#[test]
fn versions_graphs_and_external_data_are_checked() {
    let mut old = build::small();
    old.opset_import[0].version = Some(3);
    assert!(error(&old.encode_to_vec()).contains("found opset 3"));
    let mut empty = build::small();
    empty.graph = None;
    assert!(error(&empty.encode_to_vec()).contains("expected a graph"));
    let mut external = build::small();
    let tensor = &mut external.graph.as_mut().unwrap().initializer[0];
    tensor.data_location = Some(1);
    tensor
        .external_data
        .push(StringEntry { key: Some("location".into()), value: Some("weights.bin".into()) });
    let error = error(&external.encode_to_vec());
    assert!(error.contains("`first.weight`") && error.contains("weights.bin"), "{error}");
}

#[test]
fn free_shapes_are_named() {
    let model = build::model(&build::small());
    assert_eq!(model.static_shape(&model.graph().input[0]).unwrap(), [1, 3, 16, 16]);
    let error = model.static_shape(&build::value("images", &[-1, 3])).unwrap_err().to_string();
    assert!(error.contains("`images`") && error.contains("`free` on axis 0"), "{error}");
}

#[test]
fn nodes_are_sorted_and_circles_told() {
    let mut graph = build::model(&build::small()).graph().clone();
    let sorted = graph.clone();
    graph.node.reverse();
    graph.sort().unwrap();
    assert_eq!(graph.node, sorted.node);
    graph.node[0].input[0] = "scores".to_owned();
    let error = graph.sort().unwrap_err().to_string();
    assert!(error.contains("node `first`") && error.contains("`scores`"), "{error}");
}

#[test]
fn dead_nodes_go_with_their_weights() {
    let mut graph = build::model(&build::small()).graph().clone();
    let whole = graph.clone();
    graph.node.push(NodeProto::new("Add", "dead", &["leaky", "unused"], &["dead"]));
    graph.initializer.push(TensorProto::of_f32("unused", &[1], &[1.0]));
    assert_eq!(graph.remove_dead(), 1);
    assert_eq!(graph, whole);
}

#[test]
fn the_index_knows_makers_and_users() {
    let graph = build::model(&build::small()).graph().clone();
    let index = Index::new(&graph);
    assert_eq!(index.producer("leaky"), Some(1));
    assert_eq!(index.consumers("leaky"), [Consumer { node: 2, input: 0 }]);
    assert_eq!(index.initialiser("second.bias"), Some(3));
    assert!(index.is_output("third") && !index.is_output("relu"));
    let mut names = Names::new(&graph);
    assert_eq!(["pool", "pool", "new"].map(|name| names.take(name)), ["pool_2", "pool_3", "new"]);
}

#[test]
fn floats_are_read_from_both_places() {
    let values = [1.5, -2.0];
    let raw = TensorProto::of_f32("t", &[2], &values);
    assert_eq!(raw.f32_values().unwrap(), values);
    let typed = TensorProto { raw_data: None, float_data: values.to_vec(), ..raw.clone() };
    assert_eq!(typed.f32_values().unwrap(), values);
    let short = TensorProto { dims: vec![3], ..raw };
    assert!(short.f32_values().unwrap_err().to_string().contains("[3]"));
    assert!(TensorProto::of_i8("t", &[1], &[1]).f32_values().is_err());
}

#[test]
fn integers_and_zeros_are_read_from_all_places() {
    let raw = TensorProto::of_i64("t", &[3], &[0, -1, 1 << 40]);
    assert_eq!(raw.integers().unwrap(), [0, -1, 1 << 40]);
    let typed = TensorProto { raw_data: None, int64_data: vec![0, -1, 1 << 40], ..raw.clone() };
    assert_eq!((typed.integers(), typed.zeros()), (raw.integers(), (1, 3)));
    assert_eq!(TensorProto::of_i32("t", &[2], &[7, -7]).integers().unwrap(), [7, -7]);
    assert_eq!(TensorProto { dims: vec![2], ..raw }.integers(), None);
    assert_eq!(TensorProto::of_f32("t", &[1], &[1.0]).integers(), None);

    assert_eq!(TensorProto::of_f32("t", &[4], &[0.0, -0.0, 1e-45, 1.0]).zeros(), (2, 4));
    assert_eq!(TensorProto::of_f16_bits("t", &[4], &[0, 0x8000, 1, 0x3c00]).zeros(), (2, 4));
    assert_eq!(TensorProto::of_i8("t", &[3], &[0, -128, 1]).zeros(), (1, 3));
    assert_eq!(TensorProto::of_bool("t", &[2], &[false, true]).zeros(), (1, 2));
    let halves = TensorProto {
        raw_data: None,
        int32_data: vec![0x8000, 1],
        ..TensorProto::of_f16_bits("t", &[2], &[])
    };
    assert_eq!(halves.zeros(), (1, 2));
}
