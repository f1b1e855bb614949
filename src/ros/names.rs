//! Topic names as the graph knows them.
//!
//! rcl expands and remaps names when a subscription is made, but the look-up of publishers by topic wants the
//! final name. The rules are those of design.ros2.org, "Topic and Service Names" and "Remapping".

/// The remapping rules among `arguments` (a command line with `--ros-args`), as (from, to).
pub(crate) fn remappings(arguments: impl IntoIterator<Item = String>) -> Vec<(String, String)> {
    let mut rules = Vec::new();
    let mut ros = false;
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--ros-args" => ros = true,
            "--" => ros = false,
            "-r" | "--remap" if ros => {
                if let Some((from, to)) = arguments.next().as_deref().and_then(|rule| rule.split_once(":=")) {
                    // A rule for another node carries its name before a colon.
                    if !from.contains(':') && !from.starts_with("__") {
                        rules.push((from.to_owned(), to.to_owned()));
                    }
                }
            }
            _ => {}
        }
    }
    rules
}

/// The fully qualified name of `topic` for a node `node` in `namespace` ("/" or "/a/b").
pub(crate) fn resolve(topic: &str, namespace: &str, node: &str, rules: &[(String, String)]) -> String {
    let expanded = expand(topic, namespace, node);
    let rule = rules.iter().find(|(from, _)| expand(from, namespace, node) == expanded);
    rule.map_or(expanded, |(_, to)| expand(to, namespace, node))
}

fn expand(topic: &str, namespace: &str, node: &str) -> String {
    let namespace = namespace.trim_end_matches('/');
    if topic.starts_with('/') {
        topic.to_owned()
    } else if let Some(private) = topic.strip_prefix('~') {
        format!("{namespace}/{node}/{}", private.trim_start_matches('/'))
    } else {
        format!("{namespace}/{topic}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(line: &str) -> Vec<(String, String)> {
        remappings(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn names_are_expanded() {
        assert_eq!(resolve("/image", "/", "roadproof", &[]), "/image");
        assert_eq!(resolve("image", "/", "roadproof", &[]), "/image");
        assert_eq!(resolve("image", "/car", "roadproof", &[]), "/car/image");
        assert_eq!(resolve("~/image", "/car", "roadproof", &[]), "/car/roadproof/image");
    }

    #[test]
    fn remappings_apply_to_every_spelling() {
        let rules = rules(
            "roadproof node --ros-args -r image:=/cam0/image_raw -r __ns:=/car -r other:a:=b -- -r x:=y",
        );
        assert_eq!(rules, [("image".to_owned(), "/cam0/image_raw".to_owned())]);
        assert_eq!(resolve("image", "/car", "roadproof", &rules), "/cam0/image_raw");
        assert_eq!(resolve("/car/image", "/car", "roadproof", &rules), "/cam0/image_raw");
        assert_eq!(resolve("/image", "/car", "roadproof", &rules), "/image");
    }
}
