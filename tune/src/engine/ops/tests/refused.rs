use crate::engine::ops::refusal;
use crate::engine::testing::{Case, integers, noise, text};

#[test]
fn what_cannot_be_trained_is_refused_in_words() {
    let built = |case: Case| case.op().map(|_| ()).unwrap_err();
    let numbers = || vec![noise(&[1, 2, 2, 2], 1, 1.0).into()];
    assert_eq!(built(Case::new("Hardmax", numbers())), "this operator cannot be trained");
    assert!(built(Case::new("Cast", numbers()).int("to", 10)).contains("tune before `--fp16`"));
    assert!(built(Case::new("Cast", numbers()).int("to", 11)).contains("found float64"));
    assert!(built(Case::new("Pad", numbers()).attribute("mode", text("wrap"))).contains("found wrap"));
    assert!(
        built(Case::new("GridSample", numbers()).attribute("mode", text("cubic"))).contains("found cubic")
    );
    assert!(
        built(Case::new("ScatterND", numbers()).attribute("reduction", text("add"))).contains("found add")
    );
    assert!(
        built(Case::new("BatchNormalization", numbers()).int("training_mode", 1)).contains("for inference")
    );
    let training = vec![noise(&[2], 1, 1.0).into(), noise(&[], 1, 0.5).into(), integers(&[], &[1])];
    assert!(built(Case::new("Dropout", training)).contains("for inference"));
    assert!(refusal("QuantizeLinear").unwrap().contains("--int8"));
    assert_eq!(refusal("Conv"), None);
}
