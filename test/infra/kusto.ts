import { createRequire } from 'node:module';

/**
 * Microsoft's own Kusto language service: it parses a query and binds every name in it against tables of which it is told, with no cluster
 * (npmjs.com/package/@kusto/language-service-next). Its bundles set globals, so they are loaded once and typed here as far as they are used.
 */
interface Kusto {
  readonly Language: {
    readonly KustoCode: { ParseAndAnalyze(text: string, globals: Globals): Code };
    readonly GlobalState: { readonly Default: Globals };
    readonly Symbols: {
      readonly TableSymbol: { From(schema: string): TableSymbol };
      readonly DatabaseSymbol: { readonly ctor: new (name: string, tables: unknown) => unknown };
      readonly ScalarTypes: { GetSymbol(name: string): unknown };
    };
  };
}
interface Globals {
  WithDatabase(database: unknown): Globals;
}
interface TableSymbol {
  WithName(name: string): TableSymbol;
}
interface Diagnostic {
  readonly Severity: string;
  readonly Message: string;
  readonly Start: number;
  readonly Length: number;
}
interface Code {
  GetDiagnostics(): { readonly Count: number; getItem(index: number): Diagnostic };
  readonly ResultType:
    | { readonly Columns?: { readonly Count: number; getItem(index: number): { readonly Name: string } } }
    | undefined;
}

export interface Bound {
  /** What is wrong, in Microsoft's words, with the text that it is about. */
  readonly problems: readonly string[];
  /** Of the rows that come out. */
  readonly columns: readonly string[];
}

/** A binder of queries over some tables: names and types of their columns. */
export function createBinder(
  tables: Readonly<Record<string, Readonly<Record<string, string>>>>,
): (query: string) => Bound {
  const kusto = load();
  const { KustoCode, GlobalState, Symbols } = kusto.Language;
  const symbols = Object.entries(tables).map(([name, columns]) => {
    const schema = Object.entries(columns).map(([column, type]) => `['${column}']:${type}`);
    return Symbols.TableSymbol.From(`(${schema.join(', ')})`).WithName(name);
  });
  const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor('workspace', symbols));
  return (query) => {
    const code = KustoCode.ParseAndAnalyze(query, globals);
    const found = code.GetDiagnostics();
    const all = Array.from({ length: found.Count }, (_, index) => found.getItem(index));
    const columns = code.ResultType?.Columns;
    return {
      problems: all.map(({ Message, Start, Length }) => `${Message} (${query.slice(Start, Start + Length)})`),
      columns: Array.from({ length: columns?.Count ?? 0 }, (_, index) => columns?.getItem(index).Name ?? ''),
    };
  };
}

let loaded: Kusto | undefined;

function load(): Kusto {
  if (loaded) return loaded;
  const require = createRequire(import.meta.url);
  require('@kusto/language-service-next/bridge.min.js');
  require('@kusto/language-service-next/Kusto.Language.Bridge.min.js');
  loaded = Reflect.get(globalThis, 'Kusto') as Kusto;
  return loaded;
}
