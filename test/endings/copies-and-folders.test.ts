import { testEndings } from './cells.ts';

testEndings('copy.', 'share.', 'builder.', 'network.');
