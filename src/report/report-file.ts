export const REPORT_FORMS = ['junit', 'json'] as const;

/** A report file of a run, and its format. */
export interface ReportFile {
  readonly form: (typeof REPORT_FORMS)[number];
  readonly path: string;
}
