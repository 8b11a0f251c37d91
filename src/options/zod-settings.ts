import * as z from 'zod';

// generating code for a schema takes longer than it saves when a single file is checked
z.config({ jitless: true });
