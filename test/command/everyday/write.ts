// Writes the verdicts of today into the list: node test/command/everyday/write.ts. What is refused without a kind is printed.
import { readFileSync, writeFileSync } from 'node:fs';
import { judgeCommand, LIST } from './list.ts';

const lines = readFileSync(LIST, 'utf8')
  .split('\n')
  .map((line) => {
    const [before, kind = '', command] = line.split('\t');
    if (command === undefined) return line;
    const { verdicts, why } = judgeCommand(command);
    if (before !== '?' && before !== verdicts) process.stdout.write(`${before} -> ${verdicts}: ${command}\n`);
    if (verdicts === 'rrr' && kind === '') process.stdout.write(`${command}: ${why.join(' ')}\n`);
    return [verdicts, verdicts === 'rrr' ? kind : '', command].join('\t');
  });
writeFileSync(LIST, lines.join('\n'));
