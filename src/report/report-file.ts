export const REPORT_FORMS = ['junit', 'json'] as const;

/** A file that tells how a run came out, and in which form. */
export interface ReportFile {
  readonly form: (typeof REPORT_FORMS)[number];
  readonly path: string;
}
