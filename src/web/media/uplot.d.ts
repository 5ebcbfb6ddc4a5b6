// /media/uplot.js of the dashboard is the module of the package, see dashboard/respond.ts.
export { default } from 'uplot'
