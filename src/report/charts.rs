//! A page of facts and curves for what is no study: a training run, a comparison of runs.

use askama::Template;

use super::ReportError;
use super::chart::{Axis, Frame, Tick, coordinate};
use super::palette::{self, DASHES, SERIES};

/// Most points of a curve: what lies closer together is not seen.
const MAX_POINTS: usize = 600;

/// What the page shows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChartPage {
    /// What it is of, such as `tuning`; stands above the title.
    pub kind: String,
    /// Its title.
    pub title: String,
    /// Below the title.
    pub subtitle: String,
    /// Names and values.
    pub facts: Vec<(String, String)>,
    /// Its charts.
    pub charts: Vec<Chart>,
    /// Its tables.
    pub tables: Vec<Table>,
}

/// Curves over a common axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Chart {
    /// Its title.
    pub title: String,
    /// What it shows, in a sentence; may be empty.
    pub note: String,
    /// What the horizontal axis is.
    pub x_title: String,
    /// What the vertical axis is.
    pub y_title: String,
    /// Its curves.
    pub curves: Vec<Curve>,
}

/// A curve. Points that are not finite are left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curve {
    /// Its name.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// Its title.
    pub title: String,
    /// What it shows, in a sentence.
    pub note: String,
    /// Heads of its columns.
    pub head: Vec<String>,
    /// Its rows, the first cell of each being its head.
    pub rows: Vec<Vec<String>>,
}

#[derive(Template)]
#[template(path = "charts.html")]
struct Page<'a> {
    content: &'a ChartPage,
    drawings: Vec<Drawing<'a>>,
    version: &'static str,
    light: [palette::Step; palette::STEPS],
    dark: [palette::Step; palette::STEPS],
    series: [(&'static str, &'static str); 6],
}

struct Drawing<'a> {
    chart: &'a Chart,
    width: f64,
    height: f64,
    left: String,
    right: String,
    top: String,
    base: String,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    lines: Vec<Line<'a>>,
}

struct Line<'a> {
    name: &'a str,
    series: usize,
    dash: &'static str,
    points: String,
    /// The last value, as the axis writes values.
    last: String,
}

/// The page as one HTML file that needs nothing beside it.
///
/// # Errors
/// A template failed, which no page should cause.
pub fn html(page: &ChartPage) -> Result<String, ReportError> {
    let rendered = Page {
        content: page,
        drawings: page.charts.iter().map(drawing).collect(),
        version: env!("CARGO_PKG_VERSION"),
        light: palette::LIGHT,
        dark: palette::DARK,
        series: palette::SERIES,
    };
    Ok(rendered.render()?)
}

#[derive(Template)]
#[template(path = "chart.svg", escape = "html")]
struct Alone<'a> {
    drawing: &'a Drawing<'a>,
    width: f64,
    height: f64,
    keys: Vec<Key<'a>>,
}

/// A line and its entry beside the chart.
struct Key<'a> {
    line: &'a Line<'a>,
    colour: &'static str,
    y: f64,
}

/// One chart as an SVG file, for a page of text.
///
/// # Errors
/// A template failed, which no chart should cause.
pub fn svg(chart: &Chart) -> Result<String, ReportError> {
    let drawing = drawing(chart);
    let key = |(index, line)| Key {
        line,
        colour: SERIES.get(index % SERIES.len()).map_or("#000000", |(light, _)| *light),
        y: 30.0 + 17.0 * index as f64,
    };
    let keys: Vec<Key<'_>> = drawing.lines.iter().enumerate().map(key).collect();
    let height = keys.last().map_or(0.0, |key| key.y + 14.0).max(drawing.height);
    let letters = chart.curves.iter().map(|curve| curve.name.chars().count()).max().unwrap_or(0);
    let width = drawing.width + 44.0 + 6.5 * letters as f64;
    Ok(Alone { drawing: &drawing, width, height, keys }.render()?)
}

fn drawing(chart: &Chart) -> Drawing<'_> {
    let all = || chart.curves.iter().flat_map(finite);
    let frame = Frame {
        width: 520.0,
        height: 280.0,
        left: 52.0,
        bottom: 36.0,
        x: Axis::around(all().map(|point| point.0), 6.0),
        y: Axis::around(all().map(|point| point.1), 5.0),
    };
    Drawing {
        chart,
        width: frame.width,
        height: frame.height,
        left: coordinate(frame.left),
        right: coordinate(frame.right()),
        top: coordinate(frame.py(frame.y.to)),
        base: coordinate(frame.base()),
        x_ticks: frame.x_ticks(),
        y_ticks: frame.y_ticks(),
        lines: chart.curves.iter().enumerate().map(|(index, curve)| line(&frame, index, curve)).collect(),
    }
}

fn finite(curve: &Curve) -> impl Iterator<Item = (f64, f64)> {
    curve.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite())
}

fn line<'a>(frame: &Frame, index: usize, curve: &'a Curve) -> Line<'a> {
    let points: Vec<(f64, f64)> = finite(curve).collect();
    // where there are too many, each point stands for the mean of its neighbours
    let per_point = points.len().div_ceil(MAX_POINTS).max(1);
    let means = points.chunks(per_point).map(|part| {
        let count = part.len() as f64;
        let sum = part.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        (sum.0 / count, sum.1 / count)
    });
    let drawn = means.map(|(x, y)| format!("{},{}", coordinate(frame.px(x)), coordinate(frame.py(y))));
    Line {
        name: &curve.name,
        series: index % SERIES.len(),
        dash: DASHES[(index + index / SERIES.len()) % DASHES.len()],
        points: drawn.collect::<Vec<_>>().join(" "),
        last: points.last().map_or_else(|| super::number::NONE.to_owned(), |point| value(point.1)),
    }
}

/// A value with four digits that mean something.
fn value(value: f64) -> String {
    let digits = 3 - value.abs().max(1e-9).log10().floor().clamp(-3.0, 3.0) as i32;
    format!("{value:.*}", digits.clamp(0, 6) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_stands_alone_with_a_key_to_its_curves() {
        let curve = |name: &str, y| Curve { name: name.to_owned(), points: vec![(0.0, 0.0), (0.5, y)] };
        let chart = Chart {
            title: "AP & rate".to_owned(),
            curves: vec![curve("plain", 0.4), curve("<both>", f64::INFINITY)],
            ..Chart::default()
        };
        let text = svg(&chart).unwrap();
        assert_eq!(text.matches("<polyline").count(), 2);
        for part in ["<?xml", "AP &#38; rate", ">plain</text>", "&#60;both&#62;", SERIES[0].0, SERIES[1].0] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("inf"));
    }

    #[test]
    fn a_page_has_its_curves_facts_and_tables_and_escapes_names() {
        let points = (0..5000).map(|step| (f64::from(step), 1.0 / f64::from(step + 1))).collect();
        let page = ChartPage {
            kind: "tuning".to_owned(),
            title: "a <b>".to_owned(),
            subtitle: "today".to_owned(),
            facts: vec![("seed".to_owned(), "7".to_owned())],
            charts: vec![Chart {
                title: "Loss".to_owned(),
                x_title: "step".to_owned(),
                y_title: "loss".to_owned(),
                curves: vec![
                    Curve { name: "scores".to_owned(), points },
                    Curve { name: "broken".to_owned(), points: vec![(0.0, f64::NAN)] },
                ],
                ..Chart::default()
            }],
            tables: vec![Table {
                title: "AP".to_owned(),
                head: vec!["class".to_owned(), "AP".to_owned()],
                rows: vec![vec!["car".to_owned(), "0.5".to_owned()]],
                ..Table::default()
            }],
        };
        let text = html(&page).unwrap();
        assert!(text.contains("a &#60;b&#62;") || text.contains("a &lt;b&gt;"), "{text}");
        for part in ["<dt>seed</dt><dd>7</dd>", "scores", "0.0002", "<th scope=\"row\">car</th><td>0.5</td>"]
        {
            assert!(text.contains(part), "{part}");
        }
        assert!(!text.contains("NaN"));
        let points = text.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        assert!((400..=MAX_POINTS).contains(&points.split(' ').count()));
        assert_eq!(value(1234.4), "1234");
        assert_eq!(value(0.012_345), "0.01235");
    }
}
