use super::net::{Case, Net};
#[test]
fn residual_branches_lose_the_same() {
    let mut net = Net::new();
    let first = net.conv("first", "images", [8, 3, 3], 1);
    let second = net.conv("second", &first, [8, 8, 3], 1);
    net.node("Add", "add", &[&first, &second]);
    let last = net.conv("last", "add", [4, 8, 1], 1);
    let case = Case::new(&net.model(&[&last]), 1);
    let removed = case.some(0.5, 3);
    let wanted = [("first", 8, 4), ("second", 8, 4), ("last", 4, 4)];
    assert_eq!(case.channels(&removed), wanted.map(|(name, a, b)| (name.to_owned(), a, b)));
    assert_eq!(case.reasons("last"), ["the model puts out `last`"]);
    case.check(&removed, false);
    case.check(&removed, true);
}
