// media/uqr.js of a made site is the package as it is, see site-files.ts.
export { encode } from 'uqr'
