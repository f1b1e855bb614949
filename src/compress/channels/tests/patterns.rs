use super::super::{Importance, Options, Spread, prune};
use super::net::{Case, Net, SHAPE, same, text};
use crate::compress::CalibrationImages;
use crate::compress::channels::Scales;
use crate::compress::graph::Model;
use crate::compress::graph::build::{ints, value};
use crate::compress::graph::proto::{NodeProto, TensorProto};
use crate::compress::testing::{input, outputs_for, pictures};

fn options(rate: f64) -> Options {
    Options {
        rate,
        importance: Importance::default(),
        spread: Spread::default(),
        multiple: 1,
        exclude: Vec::new(),
    }
}

fn initialiser<'a>(model: &'a Model, name: &str) -> &'a TensorProto {
    model.graph().initializer.iter().find(|tensor| tensor.name() == name).unwrap()
}

/// Half of the sets go, and taking out what is zero changes nothing; then: channels before and after by layer.
fn halved(model: &Model) -> (Case, Vec<(String, usize, usize)>) {
    let case = Case::new(model, 1);
    let removed = case.some(0.5, 3);
    case.check(&removed, false);
    case.check(&removed, true);
    let channels = case.channels(&removed);
    (case, channels)
}

fn wanted(channels: &[(&str, usize, usize)]) -> Vec<(String, usize, usize)> {
    channels.iter().map(|(name, before, after)| ((*name).to_owned(), *before, *after)).collect()
}

#[test]
fn residual_branches_lose_the_same() {
    let mut net = Net::new();
    let first = net.conv("first", "images", [8, 3, 3], 1);
    let second = net.conv("second", &first, [8, 8, 3], 1);
    net.node("Add", "add", &[&first, &second]);
    let last = net.conv("last", "add", [4, 8, 1], 1);
    let (case, channels) = halved(&net.model(&[&last]));
    assert_eq!(channels, wanted(&[("first", 8, 4), ("second", 8, 4), ("last", 4, 4)]));
    assert_eq!(case.reasons("last"), ["the model puts out `last`"]);
    assert_eq!(case.groups.groups.len(), 1);
}

#[test]
fn joined_tensors_keep_their_places() {
    let mut net = Net::new();
    let a = net.conv("a", "images", [8, 3, 3], 1);
    let b = net.conv("b", "images", [6, 3, 1], 1);
    net.concat("join", &[&b, &a]);
    let last = net.conv("last", "join", [4, 14, 1], 1);
    let both = net.conv("both", &a, [4, 8, 1], 1);
    let (_, channels) = halved(&net.model(&[&last, &both]));
    assert_eq!(channels, wanted(&[("a", 8, 4), ("b", 6, 3), ("last", 4, 4), ("both", 4, 4)]));
}

#[test]
fn pieces_get_new_sizes() {
    for form in 0..3 {
        let mut net = Net::new();
        let first = net.conv("first", "images", [12, 3, 3], 1);
        net.split(&["left", "right"], &first, if form == 0 { &[4, 8] } else { &[6, 6] });
        let node = net.graph.node.last_mut().unwrap();
        if form > 0 {
            node.input.truncate(1);
        }
        if form == 2 {
            net.opset = 18;
            *node = node.clone().with_int("num_outputs", 2);
        }
        let sizes = if form == 0 { [4, 8] } else { [6, 6] };
        let left = net.conv("a", "left", [4, sizes[0], 1], 1);
        let right = net.conv("b", "right", [4, sizes[1], 1], 1);
        let (_, channels) = halved(&net.model(&[&left, &right]));
        assert_eq!(channels[0], ("first".to_owned(), 12, 6), "{form}");
    }
}

#[test]
fn the_last_channel_of_a_piece_stays() {
    let mut net = Net::new();
    let first = net.conv("first", "images", [8, 3, 3], 1);
    net.split(&["one", "rest"], &first, &[1, 7]);
    let one = net.conv("a", "one", [4, 1, 1], 1);
    let rest = net.conv("b", "rest", [4, 7, 1], 1);
    let case = Case::new(&net.model(&[&one, &rest]), 1);
    let removed = case.some(0.95, 1);
    assert!(case.channels(&removed)[0].2 >= 2);
    case.check(&removed, true);
}

#[test]
fn slices_and_picked_channels_move() {
    let mut net = Net::new();
    let first = net.conv("first", "images", [8, 3, 3], 1);
    let starts = net.integers("starts", &[-6, 2]);
    let ends = net.integers("ends", &[i64::MAX, 14]);
    let axes = net.integers("axes", &[1, 2]);
    net.node("Slice", "slice", &[&first, &starts, &ends, &axes]);
    let indices = net.integers("indices", &[5, 0, 0, -2]);
    let node = NodeProto::new("Gather", "pick", &["slice", &indices], &["pick"]).with_int("axis", 1);
    net.graph.node.push(node);
    let last = net.conv("last", "pick", [4, 4, 1], 1);
    let whole = net.conv("whole", &first, [4, 8, 1], 1);
    let (_, channels) = halved(&net.model(&[&last, &whole]));
    assert_eq!(channels[0], ("first".to_owned(), 8, 4));
}

#[test]
fn shuffles_keep_their_groups_alike() {
    for groups in [2, 4] {
        let mut net = Net::new();
        let first = net.conv("first", "images", [16, 3, 3], 1);
        let mixed = net.shuffle("shuffle", &first, 16, groups);
        let last = net.conv("last", &mixed, [4, 16, 1], 1);
        let (_, channels) = halved(&net.model(&[&last]));
        assert_eq!(channels[0], ("first".to_owned(), 16, 8), "{groups}");
    }
}

#[test]
fn depthwise_and_grouped_convolutions_follow() {
    let mut net = Net::new();
    let first = net.conv("first", "images", [8, 3, 3], 1);
    let each = net.conv("each", &first, [16, 1, 3], 8);
    let grouped = net.conv("grouped", &each, [8, 8, 3], 2);
    let last = net.conv("last", &grouped, [4, 8, 1], 1);
    let model = net.model(&[&last]);
    let (case, channels) = halved(&model);
    let [first, each, grouped] = [&channels[0], &channels[1], &channels[2]];
    assert!(first.2 < 8 && each.2 == 2 * first.2, "{channels:?}");
    assert!(grouped.2 < 8 && grouped.2 % 2 == 0, "{channels:?}");
    let pruned = case.without(&model, &case.some(0.5, 3));
    let node = pruned.graph().node.iter().find(|node| node.name() == "each").unwrap();
    assert_eq!(node.attribute("group").unwrap().i(), first.2 as i64);
}

#[test]
fn transposed_convolutions_follow_too() {
    let mut net = Net::new();
    let first = net.conv("first", "images", [8, 3, 3], 1);
    let each = net.floats("each.weight", &[8, 1, 2, 2]);
    net.node("ConvTranspose", "each", &[&first, &each]);
    *net.graph.node.last_mut().unwrap() = net.graph.node.last().unwrap().clone().with_int("group", 8);
    let grouped = net.floats("grouped.weight", &[8, 3, 2, 2]);
    let bias = net.floats("grouped.bias", &[6]);
    net.node("ConvTranspose", "grouped", &["each", &grouped, &bias]);
    *net.graph.node.last_mut().unwrap() = net.graph.node.last().unwrap().clone().with_int("group", 2);
    let last = net.conv("last", "grouped", [4, 6, 1], 1);
    let (_, channels) = halved(&net.model(&[&last]));
    assert_eq!(channels[..2], wanted(&[("first", 8, 4), ("each", 8, 4)]));
    assert!(channels[2].2 < channels[2].1, "{channels:?}");
}

#[test]
fn old_splits_and_copied_sides_follow() {
    let mut net = Net::new();
    net.opset = 11;
    let first = net.conv("first", "images", [12, 3, 3], 1);
    let rows = net.reshape("rows", &first, &[0, 0, -1]);
    let node = NodeProto::new("Split", "left", &[&rows], &["left", "right"]).with_int("axis", 1);
    net.graph.node.push(ints(node, "split", &[4, 8]));
    let left = net.reshape("a", "left", &[1, -1, 16, 16]);
    let right = net.reshape("b", "right", &[1, 8, 16, 16]);
    let left = net.conv("c", &left, [4, 4, 1], 1);
    let right = net.conv("d", &right, [4, 8, 1], 1);
    let (_, channels) = halved(&net.model(&[&left, &right]));
    assert_eq!(channels[0], ("first".to_owned(), 12, 6));
}

#[test]
fn shared_weights_stay_shared() {
    let mut net = Net::new();
    let a = net.conv("a", "images", [8, 3, 3], 1);
    let b = net.conv("b", "images", [8, 3, 1], 1);
    let head = net.conv("head", &a, [6, 8, 1], 1);
    net.node("Conv", "again", &[&b, "head.weight", "head.bias"]);
    let last = net.conv("last", &head, [4, 6, 1], 1);
    let other = net.conv("other", "again", [4, 6, 1], 1);
    let model = net.model(&[&last, &other]);
    let (case, channels) = halved(&model);
    assert!(channels.iter().take(4).all(|(_, before, after)| *after == before / 2), "{channels:?}");
    let pruned = case.without(&model, &case.some(0.5, 3));
    assert_eq!(pruned.graph().initializer.len(), model.graph().initializer.len());
    assert_eq!(initialiser(&pruned, "head.weight").dims, [3, 4, 1, 1]);
}

#[test]
fn constants_that_lose_different_channels_are_copied() {
    let mut net = Net::new();
    let a = net.conv("a", "images", [8, 3, 3], 1);
    let b = net.conv("b", "images", [8, 3, 1], 1);
    let slope = net.floats("slope", &[8, 1, 1]);
    net.node("PRelu", "c", &[&a, &slope]);
    net.node("PRelu", "d", &[&b, &slope]);
    let sizes = net.integers("sizes", &[1, 8, 32, 32]);
    net.node("Resize", "e", &["c", "", "", &sizes]);
    net.node("Resize", "f", &["d", "", "", &sizes]);
    let e = net.conv("g", "e", [4, 8, 1], 1);
    let f = net.conv("h", "f", [4, 8, 1], 1);
    let (_, channels) = halved(&net.model(&[&e, &f]));
    assert_eq!(channels[..2], wanted(&[("a", 8, 4), ("b", 8, 4)]));
}

#[test]
fn flattened_channels_go_in_blocks() {
    let mut net = Net::new();
    let first = net.conv("first", "images", [8, 3, 3], 1);
    let node = NodeProto::new("MaxPool", "pool", &[&first], &["pool"]);
    net.graph.node.push(ints(ints(node, "kernel_shape", &[4, 4]), "strides", &[4, 4]));
    net.reshape("flat", "pool", &[1, 128]);
    let weight = net.floats("dense.weight", &[6, 128]);
    let bias = net.floats("dense.bias", &[6]);
    net.graph
        .node
        .push(NodeProto::new("Gemm", "dense", &["flat", &weight, &bias], &["dense"]).with_int("transB", 1));
    let last = net.floats("last.weight", &[6, 5]);
    net.node("MatMul", "last", &["dense", &last]);
    let model = net.model(&["last"]);
    let (case, channels) = halved(&model);
    assert_eq!(channels, wanted(&[("first", 8, 4), ("dense", 6, 3), ("last", 5, 5)]));
    let pruned = case.without(&model, &case.some(0.5, 3));
    assert_eq!(initialiser(&pruned, "dense.weight").dims, [3, 64]);
}

#[test]
fn what_needs_all_channels_keeps_them() {
    let over = |operator: &str| {
        let mut net = Net::new();
        let first = net.conv("first", "images", [8, 3, 3], 1);
        net.graph.node.push(NodeProto::new(operator, "node", &[&first], &["node"]).with_int("axis", 1));
        let last = net.conv("last", "node", [4, 8, 1], 1);
        Case::new(&net.model(&[&last]), 1).reasons("first").join("")
    };
    assert_eq!(over("Softmax"), "`node` (Softmax) goes over them");
    assert_eq!(over("LpNormalization"), "`node` (LpNormalization) needs them all");
    let mut net = Net::new();
    let first = net.conv("first", "images", [8, 3, 3], 1);
    let turned = net.transpose("turned", &first, &[0, 1, 3, 2]);
    net.node("MatMul", "product", &[&first, &turned]);
    let case = Case::new(&net.model(&["product"]), 1);
    assert_eq!(case.reasons("first"), ["`product` (MatMul) needs them all"]);
}

#[test]
fn declared_shapes_and_constant_nodes_follow() {
    let mut net = Net::new();
    let first = net.conv("first", "images", [8, 3, 3], 1);
    net.graph.value_info.push(value("first", &[1, 8, 16, 16]));
    let target = TensorProto { name: None, ..TensorProto::list("", &[1, 8, 256]) };
    let mut constant = NodeProto::new("Constant", "target", &[], &["target"]);
    constant.attribute.push(crate::compress::graph::proto::AttributeProto {
        name: Some("value".to_owned()),
        t: Some(target),
        r#type: Some(4),
        ..Default::default()
    });
    net.graph.node.insert(0, constant);
    net.node("Reshape", "rows", &[&first, "target"]);
    let back = net.reshape("back", "rows", &[1, 8, 16, 16]);
    let last = net.conv("last", &back, [4, 8, 1], 1);
    let (pruned, kept, report) =
        prune(&net.model(&[&last]), &input(), None, &Scales::new(), &options(0.5), &mut |_| ()).unwrap();
    assert_eq!(pruned.static_shape(&pruned.graph().value_info[0]).unwrap(), [1, 4, 16, 16]);
    assert_eq!(initialiser(&pruned, "target").integers().unwrap(), [1, 4, 256]);
    assert_eq!(
        (kept["first"].len(), kept["back"] == kept["first"], kept.contains_key("last")),
        (4, true, false)
    );
    assert_eq!((report.layers[0].after, report.groups[0].after), (4, 4));
    assert_eq!(report.parameters.before, 8 * 27 + 8 + 4 * 8 + 4);
    assert_eq!(report.parameters.after, 4 * 27 + 4 + 4 * 4 + 4);
    assert_eq!(report.macs.before, 256 * (8 * 27 + 4 * 8));
    assert_eq!(report.macs.after, 256 * (4 * 27 + 4 * 4));
}

/// Conv of 8 -> BN -> Conv.
fn plain() -> Net {
    let mut net = Net::new();
    let first = net.conv("first", "images", [8, 3, 3], 1);
    let normal = net.normalise("normal", &first, 8);
    net.conv("last", &normal, [4, 8, 1], 1);
    net
}

#[test]
fn the_least_important_go() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), 3);
    let images = CalibrationImages::open(folder.path(), None).unwrap();
    let model = plain().model(&["last"]);
    let kept = |importance| {
        let options = Options { importance, ..options(0.5) };
        prune(&model, &input(), Some(&images), &Scales::new(), &options, &mut |_| ()).unwrap().1["first"]
            .clone()
    };
    let best = |values: Vec<f64>| {
        let mut order: Vec<usize> = (0..8).collect();
        order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
        order.truncate(4);
        order.sort_unstable();
        order
    };
    let weights = initialiser(&model, "first.weight").f32_values().unwrap();
    let of =
        |f: fn(f64) -> f64| weights.chunks(27).map(|w| w.iter().map(|v| f(f64::from(*v))).sum()).collect();
    assert_eq!(kept(Importance::L1), best(of(f64::abs)));
    assert_eq!(kept(Importance::L2), best(of(|v| v * v)));
    let scale = initialiser(&model, "normal.scale").f32_values().unwrap();
    assert_eq!(kept(Importance::Scale), best(scale.iter().map(|v| f64::from(v.abs())).collect()));

    let watched = plain().model(&["last", "normal"]);
    let columns = initialiser(&model, "last.weight").f32_values().unwrap();
    let mut energies = vec![0.0; 8];
    for image in images.iter() {
        let outputs = crate::compress::testing::outputs(&watched, image.path);
        for (channel, energy) in energies.iter_mut().enumerate() {
            let part = &outputs[1].1[channel * 256..(channel + 1) * 256];
            let weight: f64 = (0..4).map(|row| f64::from(columns[row * 8 + channel]).powi(2)).sum();
            *energy += part.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() * weight;
        }
    }
    assert_eq!(kept(Importance::Activation), best(energies));
}

#[test]
fn insensitive_groups_lose_more() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), 2);
    let images = CalibrationImages::open(folder.path(), None).unwrap();
    let mut net = Net::new();
    let a = net.conv("a", "images", [16, 3, 3], 1);
    let b = net.conv("b", "images", [16, 3, 3], 1);
    net.concat("join", &[&a, &b]);
    let last = net.conv("last", "join", [4, 32, 1], 1);
    // what reads `b` is next to nothing
    let tensor = net.graph.initializer.iter_mut().find(|tensor| tensor.name() == "last.weight").unwrap();
    let values: Vec<f32> = tensor.f32_values().unwrap();
    let values: Vec<f32> =
        values.iter().enumerate().map(|(n, v)| if n % 32 < 16 { *v } else { v * 0.01 }).collect();
    *tensor = TensorProto::of_f32("last.weight", &[4, 32, 1, 1], &values);
    let model = net.model(&[&last]);
    let run = |spread| {
        let options = Options { spread, ..options(0.25) };
        prune(&model, &input(), Some(&images), &Scales::new(), &options, &mut |_| ()).unwrap().2
    };
    let (even, uneven) = (run(Spread::Uniform), run(Spread::Sensitivity));
    assert_eq!((even.layers[0].after, even.layers[1].after), (12, 12));
    assert_eq!((uneven.layers[0].after, uneven.layers[1].after), (16, 8));
    assert_eq!(even.macs.after, uneven.macs.after);
    assert!(uneven.groups[0].error > uneven.groups[1].error && uneven.groups[1].error.is_some());
}

#[test]
fn counts_stay_multiples_and_excluded_layers_whole() {
    let mut net = Net::new();
    let a = net.conv("a", "images", [16, 3, 3], 1);
    let b = net.conv("b", &a, [12, 16, 3], 1);
    let c = net.conv("c", &b, [10, 12, 3], 1);
    let last = net.conv("last", &c, [4, 10, 1], 1);
    let model = net.model(&[&last]);
    let some = Options { multiple: 4, exclude: vec!["a".to_owned()], ..options(0.3) };
    let (pruned, _, report) = prune(&model, &input(), None, &Scales::new(), &some, &mut |_| ()).unwrap();
    let counts: Vec<usize> = report.layers.iter().map(|layer| layer.after).collect();
    assert_eq!((counts[0], counts[1]), (16, 8));
    assert!(counts[2] < 10);
    assert_eq!(report.layers[0].reasons, ["excluded"]);
    assert_eq!(outputs_for(&pruned, &SHAPE, &[0.5])[0].1.len(), 4 * 256);
}

#[test]
fn nothing_is_removed_at_rate_zero() {
    let model = plain().model(&["last"]);
    let (same_model, kept, report) =
        prune(&model, &input(), None, &Scales::new(), &options(0.0), &mut |_| ()).unwrap();
    assert_eq!(same_model, model);
    assert!(kept.is_empty() && report.macs.before == report.macs.after);
    same(&model, &same_model);
}

#[test]
fn what_cannot_be_done_is_told() {
    let model = plain().model(&["last"]);
    let error = |options: Options| {
        prune(&model, &input(), None, &Scales::new(), &options, &mut |_| ()).unwrap_err().to_string()
    };
    assert!(error(options(0.96)).contains("a rate of 0 to 0.95, found 0.96"));
    assert!(error(options(f64::NAN)).contains("NaN"));
    assert!(error(Options { multiple: 0, ..options(0.5) }).contains("a multiple of 1 to 64, found 0"));
    let images = error(Options { importance: Importance::Activation, ..options(0.5) });
    assert!(images.contains("`activation` is measured on calibration images"), "{images}");
    let images = error(Options { spread: Spread::Sensitivity, ..options(0.5) });
    assert!(images.contains("`sensitivity`"), "{images}");
    let unknown = error(Options { exclude: vec!["frist".to_owned()], ..options(0.5) });
    assert!(unknown.contains("did you mean `first`"), "{unknown}");
    let nothing = error(Options { exclude: vec!["first".to_owned()], ..options(0.5) });
    assert!(nothing.contains("first: excluded") && nothing.contains("puts out `last`"), "{nothing}");
}

#[test]
fn resized_maps_and_padding_pass() {
    let mut net = Net::new();
    let first = net.conv("first", "images", [8, 3, 3], 1);
    let pads = net.integers("pads", &[0, 0, 1, 1, 0, 0, 1, 1]);
    net.node("Pad", "pad", &[&first, &pads]);
    let sizes = net.integers("sizes", &[1, 8, 9, 9]);
    let node = NodeProto::new("Resize", "small", &["pad", "", "", &sizes], &["small"]);
    net.graph.node.push(text(node, "mode", "linear"));
    let last = net.conv("last", "small", [4, 8, 1], 1);
    let (_, channels) = halved(&net.model(&[&last]));
    assert_eq!(channels[0], ("first".to_owned(), 8, 4));
}
