//! Assignments of least cost.

/// For each row a column of its own, so that the sum of their costs is least: the Hungarian algorithm with potentials, by
/// shortest augmenting paths, in `rows^2 columns` steps (Kuhn, Naval Research Logistics Quarterly 2, 1955; Jonker and
/// Volgenant, Computing 38, 1987). `costs` holds finite numbers, row by row, with at least as many columns as rows.
pub(super) fn least_cost(costs: &[f64], rows: usize, columns: usize) -> Vec<usize> {
    let mut row_potential = vec![0.0; rows];
    let mut column_potential = vec![0.0; columns];
    let mut owner: Vec<Option<usize>> = vec![None; columns];
    for start in 0..rows {
        // shortest ways from the new row to every column, in reduced costs
        let mut distance = vec![f64::INFINITY; columns];
        let mut before: Vec<Option<usize>> = vec![None; columns];
        let mut done = vec![false; columns];
        let mut reached: Option<usize> = None;
        let mut row = start;
        let mut so_far = 0.0;
        let free = loop {
            let mut nearest: Option<usize> = None;
            for column in (0..columns).filter(|column| !done[*column]) {
                let reduced =
                    so_far + costs[row * columns + column] - row_potential[row] - column_potential[column];
                if reduced < distance[column] {
                    distance[column] = reduced;
                    before[column] = reached;
                }
                if nearest.is_none_or(|best| distance[column] < distance[best]) {
                    nearest = Some(column);
                }
            }
            let Some(column) = nearest else { break None };
            done[column] = true;
            so_far = distance[column];
            reached = Some(column);
            match owner[column] {
                Some(next) => row = next,
                None => break Some(column),
            }
        };
        let Some(free) = free else { break };
        row_potential[start] += so_far;
        for column in (0..columns).filter(|column| done[*column] && *column != free) {
            let slack = so_far - distance[column];
            column_potential[column] -= slack;
            if let Some(row) = owner[column] {
                row_potential[row] += slack;
            }
        }
        // hand the columns on along the way
        let mut column = free;
        while let Some(previous) = before[column] {
            owner[column] = owner[previous];
            column = previous;
        }
        owner[column] = Some(start);
    }
    let mut assigned = vec![0; rows];
    for (column, owner) in owner.iter().enumerate() {
        if let Some(row) = owner {
            assigned[*row] = column;
        }
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The least sum, by trying everything.
    fn least(costs: &[f64], row: usize, rows: usize, columns: usize, used: &mut Vec<usize>) -> f64 {
        if row == rows {
            return 0.0;
        }
        let mut best = f64::INFINITY;
        for column in 0..columns {
            if !used.contains(&column) {
                used.push(column);
                best = best.min(costs[row * columns + column] + least(costs, row + 1, rows, columns, used));
                used.pop();
            }
        }
        best
    }

    proptest! {
        #[test]
        fn no_other_assignment_costs_less(
            (rows, columns, costs) in (1usize..5, 0usize..3).prop_flat_map(|(rows, more)| {
                let columns = rows + more;
                (Just(rows), Just(columns), prop::collection::vec(-5f64..5.0, rows * columns))
            })
        ) {
            let assigned = least_cost(&costs, rows, columns);
            let mut sorted = assigned.clone();
            sorted.sort_unstable();
            sorted.dedup();
            prop_assert_eq!(sorted.len(), rows, "a column for each");
            let sum: f64 = assigned.iter().enumerate().map(|(row, column)| costs[row * columns + column]).sum();
            prop_assert!((sum - least(&costs, 0, rows, columns, &mut Vec::new())).abs() < 1e-9);
        }
    }

    #[test]
    fn nothing_to_assign() {
        assert_eq!(least_cost(&[], 0, 3), Vec::<usize>::new());
    }
}
