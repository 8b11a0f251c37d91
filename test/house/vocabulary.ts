/** Identifiers that say nothing about a value, each with what to call it instead. */
export const VAGUE: Readonly<Record<string, string>> = {
  said: 'text, value, stdout, explicit: whatever the value is',
  told: 'reported, notified, output',
  made: 'created, built, result',
  there: 'existing, found, present',
  whoever: 'the noun for who it is: owner, caller, user',
};

/** Words of a private language, each with the field's own. */
export const PRIVATE: Readonly<Record<string, string>> = {
  Far: 'GuestShell',
  SshFar: 'SshShell',
  Fold: 'GithubGroups',
  Landing: 'StagedCopy',
  Starts: 'BootLimit',
  confess: 'reportCrash',
  settleGuest: 'awaitReadyCommand',
  workOf: 'guestSteps',
};

/** Files of src/ whose names end like a verb or a participle, and why they keep them. */
export const KEPT_NAMES: Readonly<Record<string, string>> = {
  'config/spelling.ts': 'a noun: how keys may be written',
  'doctor/finding.ts': 'a noun: one result of doctor',
  'host/staging.ts': 'a noun: staging directories',
  'image/sources/decoding.ts': 'content decoding is the noun of RFC 9110',
  'image/sources/encoding.ts': 'content encoding is the noun of RFC 9110',
  'image/vendor/listing.ts': 'a noun: the listing of a directory',
};
