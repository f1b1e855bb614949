//! `study.md`

use roadproof::report::charts::Table;

use super::{IMAGES, charts, page, words};
use crate::study::analysis::{Claim, Scope};
use crate::study::results::StudyResults;

/// The study as Markdown; its drawings lie in `images/` beside it.
#[must_use]
pub fn text(results: &StudyResults) -> String {
    let mut parts = vec![intro(results), answers(results), "## Claims".to_owned()];
    parts.extend((1..).zip(&results.claims).map(|(number, claim)| claim_text(results, number, claim)));
    parts.push(accuracy(results));
    parts.push(method(results));
    parts.join("\n\n") + "\n"
}

fn intro(results: &StudyResults) -> String {
    let parent = &results.parent;
    let arms: Vec<String> = results.arms.iter().map(|arm| arm.name().to_owned()).collect();
    let mut levels: Vec<String> = results.rows.iter().map(|row| row.compression.clone()).collect();
    levels.dedup();
    let seeds: Vec<String> = results.seeds.iter().map(ToString::to_string).collect();
    let severities: Vec<String> = results.severities.iter().map(ToString::to_string).collect();
    let missing = if results.seeds.len() < results.planned_seeds {
        format!(" **Not complete**: {} seeds were planned.", results.planned_seeds)
    } else {
        String::new()
    };
    format!(
        "# {}\n\n\
         Four claims of Cygert and Czyżewski, \"Robustness in Compressed Neural Networks for Object Detection\" (IJCNN 2021, \
         [arXiv 2102.05509](https://arxiv.org/abs/2102.05509)), tested here. Measured as it came out.\n\n\
         - **Model**: {}; AP {} on clean images, mPC {}.\n\
         - **Compressions**: {}.\n\
         - **Arms**: {}. All are tuned by distillation from the parent with the same options otherwise; `none` is the \
         parent tuned the same way, so that tuning itself is not taken for an effect.\n\
         - **Seeds**: {}.{missing}\n\
         - **Images**: {}, none of which was tuned on.\n\
         - **Conditions**: clean, and at severities {}: {}. Held out of augmentation: {}.\n\
         - **Worst class** of the parent, of classes with {} instances or more: {}; the lowest fifth: {}.",
        results.name,
        parent.name,
        parent.clean.map_or_else(|| words::NONE.to_owned(), words::hundredths),
        parent.mpc.map_or_else(|| words::NONE.to_owned(), words::hundredths),
        words::list(&levels),
        words::list(&arms),
        words::list(&seeds),
        results.images,
        words::list(&severities),
        words::list(&results.corruptions),
        words::list(&results.held_out),
        results.min_support,
        results.worst_class.as_deref().unwrap_or(words::NONE),
        words::list(&results.lowest_fifth),
    )
}

/// Claims and verdicts at a glance.
fn answers(results: &StudyResults) -> String {
    let head = ["Claim", "Verdict", "Effect (95 %)", "In", "Seeds", "Images"];
    let rows = results.claims.iter().map(|claim| {
        let primary: Vec<_> = claim.tests.iter().filter(|test| test.scope == Scope::Primary).collect();
        let column = |place: usize| {
            let cells = primary.iter().filter_map(|test| words::row(test).get(place).cloned());
            cells.collect::<Vec<_>>().join("; ")
        };
        vec![
            claim.title.clone(),
            format!("**{}**", words::verdict(claim.verdict)),
            column(1),
            column(2),
            results.seeds.len().to_string(),
            results.images.to_string(),
        ]
    });
    format!("## Answers\n\n{}", table(&head.map(str::to_owned), &rows.collect::<Vec<_>>()))
}

fn claim_text(results: &StudyResults, number: usize, claim: &Claim) -> String {
    let rows: Vec<Vec<String>> = claim.tests.iter().map(words::row).collect();
    let mut text = format!(
        "### {number}. {}\n\n*Claim.* {} *Rule.* {}\n\n**{}.**\n\n{}",
        claim.title,
        claim.statement,
        claim.rule,
        capitalised(words::verdict(claim.verdict)),
        table(&words::ROW.map(str::to_owned), &rows)
    );
    let own = format!("claim{number}.svg");
    for drawing in charts::drawings(results).iter().filter(|drawing| drawing.file.ends_with(&own)) {
        text += &format!("\n\n{}", image(&drawing.chart.title, &drawing.file));
    }
    text
}

fn accuracy(results: &StudyResults) -> String {
    let Table { note, head, rows, .. } = page::accuracies(results);
    let mut text = format!("## Accuracy\n\n{note}\n\n{}", table(&head, &rows));
    let shown = ["clean.svg", "mpc.svg", "noise.svg", "blur.svg"];
    for drawing in charts::drawings(results) {
        if shown.iter().any(|end| drawing.file.ends_with(end)) {
            text += &format!("\n\n{}", image(&drawing.chart.title, &drawing.file));
        }
    }
    text
}

fn method(results: &StudyResults) -> String {
    format!(
        "## How it is judged\n\n\
         Intervals are of 95 %, from {} resamples. Each draws images with replacement, the same for every model, and seeds \
         with replacement, the same for every compression and arm (Efron and Tibshirani, An Introduction to the Bootstrap, \
         1993); ends are bias-corrected percentiles. So few seeds would make intervals too narrow: what they differ by is \
         widened to what Student's t asks for (Hesterberg, Am. Stat. 69(4), 2015). An effect is *confirmed* where its \
         interval lies above 0, *contradicted* where it lies below, else *undecided*, and always with one seed. Rules were \
         fixed in code before anything was measured; where single compressions are tested, p-values are adjusted over them \
         (Holm, 1979). The first difference of each claim decides, the others show where it comes from.\n\n\
         ## To do it again\n\n\
         ```\nroadproof-tune study config/robustness-study.toml -o robustness-study/\n```\n\n\
         It took {:.1} hours of tuning and {:.1} of measuring. A study that was stopped goes on where it was.\n\n\
         ## Limits\n\n\
         - One detector and one dataset of {} images; what intervals hold is chance in images and seeds, not another model or road.\n\
         - The worst class is chosen by the parent's AP on the same images. That favours no arm, but its AP is of few \
         instances.\n\
         - Undecided is no evidence that there is no effect; the interval says how large one could be.\n\
         - Compressions are tuned equally long. One that would need longer is measured before it is done.",
        results.bootstrap, results.hours[0], results.hours[1], results.images
    )
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn image(title: &str, file: &str) -> String {
    format!("![{title}]({IMAGES}/{file})")
}

fn table(head: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |", cells.join(" | "))
    };
    let rule = vec!["---".to_owned(); head.len()];
    let lines = [head, &rule].into_iter().chain(rows.iter().map(Vec::as_slice)).map(line);
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::results::tests::made_up;

    #[test]
    fn tables_have_as_many_cells_in_every_row() {
        let text = text(&made_up());
        let mut width = 0;
        for line in text.lines() {
            let cells = line.replace("\\|", "").matches('|').count();
            if width > 0 && cells > 0 {
                assert_eq!(cells, width, "{line}");
            }
            width = cells;
        }
        assert!(text.contains("| nanodet | as it is |"));
    }

    #[test]
    fn what_is_not_complete_is_said() {
        let mut results = made_up();
        assert!(!text(&results).contains("Not complete"));
        results.planned_seeds += 1;
        assert!(text(&results).contains("**Not complete**: 3 seeds were planned"));
    }
}
