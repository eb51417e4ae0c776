// The decorators that the transform replaces, for editors. Compilers never see this file; include it in tsconfig.json.

/** Makes a function an activity, of the function's name or another. */
declare function activity(name: string): any;
declare function activity(target: any, key?: any, descriptor?: any): any;

/** Lets objects of a class be read from JSON and written as JSON. */
declare function json(target: any): any;

/** The name that a field of a `@json` class has in JSON. */
declare function name(name: string): any;

/** Leaves a field of a `@json` class out of JSON. */
declare function omit(target: any, key: any): any;
