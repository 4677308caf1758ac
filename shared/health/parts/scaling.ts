import { finder, partOf, rowsOf, type Answers } from '../answers.ts';
import { count } from '../rows.ts';
import type { Finding, Part } from '../status.ts';

const found = finder('scaling');

/** Autoscalers that cannot go further, and budgets that let no node be drained. */
export function scaling(answers: Answers): Part {
  const scalers = rowsOf(answers, 'horizontalPodAutoscalers');
  const atMaximum = scalers.flatMap((row): readonly Finding[] => {
    const [, , most, , desired] = row.fields;
    return count(most) > 0 && count(desired) >= count(most)
      ? [found('degraded', 'at-maximum', row, `${count(desired)} replicas, as many as it may have`)]
      : [];
  });
  const budgets = rowsOf(answers, 'podDisruptionBudgets');
  const blocking = budgets.flatMap((row): readonly Finding[] => {
    const [, , , , , allowed, expected] = row.fields;
    return count(expected) > 0 && count(allowed) === 0
      ? [found('degraded', 'blocks-drain', row, `none of ${count(expected)} pods may be evicted`)]
      : [];
  });
  const numbers = {
    autoscalers: scalers.length,
    atMaximum: atMaximum.length,
    budgets: budgets.length,
    blocking: blocking.length,
  };
  const well = `${scalers.length} autoscalers, ${budgets.length} budgets`;
  return partOf(answers, { horizontalPodAutoscalers: atMaximum, podDisruptionBudgets: blocking }, numbers, well);
}
