// Activities in another file than the entry file, which exports them.
@activity function far(a: f32): f32 { return a / 2; }
@activity function empty(): void {}
