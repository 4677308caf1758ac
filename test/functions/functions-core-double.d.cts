interface Registered {
  readonly metadata: {
    readonly name: string;
    readonly bindings: Record<string, { type: string; route?: string; schedule?: string }>;
  };
  readonly callback: (...inputs: unknown[]) => unknown;
}

declare const double: {
  readonly functions: Map<string, Registered>;
  invoke(
    name: string,
    data: unknown,
    traceContext?: { readonly traceParent: string },
  ): Promise<{ readonly returnValue?: unknown; readonly outputData?: unknown }>;
};
export = double;
