//! Bytes per second through the splitter, in big and in small pieces.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use voxloop_text::{Limits, Splitter};

const LATIN: &str = "It is sunny in Oslo today, and it will stay so until the evening. Dr. Smith \
    said that the wind, e.g. at the coast, may rise to 3.14 metres per second! See example.com.\n";
const WIDE: &str =
    "今日はとても良い天気ですね、散歩に行きませんか？「はい、行きましょう！」と彼女は言いました。";

fn splitter(criterion: &mut Criterion) {
    for (name, text) in [("latin", LATIN.repeat(400)), ("wide", WIDE.repeat(400))] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(text.len() as u64));
        let characters: Vec<char> = text.chars().collect();
        for size in [4, 64, usize::MAX] {
            let pieces: Vec<String> =
                characters.chunks(size.min(characters.len())).map(|p| p.iter().collect()).collect();
            group.bench_function(format!("pieces of {size}"), |bench| {
                bench.iter(|| {
                    let mut splitter = Splitter::new(Limits::default()).expect("good limits");
                    let mut count = 0;
                    for piece in &pieces {
                        splitter.push(piece, |_| count += 1);
                    }
                    splitter.flush(|_| count += 1);
                    count
                });
            });
        }
    }
}

criterion_group!(benches, splitter);
criterion_main!(benches);
