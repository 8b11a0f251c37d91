import * as z from 'zod';

// code for a schema is made in more time than it saves one that checks a single file
z.config({ jitless: true });
