/**
 * Where we reach into kafkajs 2.2.4 (pinned). A partition assigner is handed the consumer's `Cluster`; through it
 * three things are mended that its consumer gets wrong for exactly-once work:
 * - its commits carry whatever generation is current, so a former owner's late commit is accepted. Ours carry the
 *   generation of their own epoch, and the broker itself refuses them once the group moved on;
 * - it may rejoin while a call outside `eachBatch` is at work. Ours waits, so a partition never moves under a call;
 * - on OFFSET_OUT_OF_RANGE it overwrites the committed offset (and with it an open intent) and reads from the start.
 *   Ours rejoins, and the service sees at the new assignment what is gone.
 */

import type { Broker, Cluster, PartitionAssigner } from 'kafkajs';
import kafkajs from 'kafkajs';
import { TransportError } from '../errors.ts';

/** Who we are to the group coordinator for the length of one epoch. */
export interface Membership {
  readonly generationId: number;
  readonly memberId: string;
}

export interface GroupHooks {
  /** A JoinGroup is about to be sent: the epoch is over. Resolves when no call of it is at work any more. */
  readonly leaving: () => Promise<void>;
  readonly joined: (membership: Membership) => void;
  readonly outOfRange: () => void;
}

export interface GroupCommit extends Membership {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly metadata: string;
}

export interface KafkaGroup {
  readonly assigner: PartitionAssigner;
  /** One attempt. Throws kafkajs' error: fencing types when the generation is over, others may pass by themselves. */
  readonly commit: (commit: GroupCommit) => Promise<void>;
}

/** Thrown into kafkajs to make it join the group again: it takes this type for the broker's own request to do so. */
export class RejoinError extends kafkajs.KafkaJSError {
  readonly type = 'REBALANCE_IN_PROGRESS';
}

interface JoiningBroker {
  joinGroup: (request: object) => Promise<Membership>;
}

const canJoin = (broker: object): broker is JoiningBroker => 'joinGroup' in broker;

const watchJoins = (broker: Broker, hooks: GroupHooks): void => {
  if (!canJoin(broker) || Object.hasOwn(broker, 'joinGroup')) return;
  const join = broker.joinGroup.bind(broker);
  broker.joinGroup = async (request) => {
    await hooks.leaving();
    const membership = await join(request);
    hooks.joined({ generationId: membership.generationId, memberId: membership.memberId });
    return membership;
  };
};

const patchCluster = (cluster: Cluster, hooks: GroupHooks): void => {
  const findGroupCoordinator = cluster.findGroupCoordinator.bind(cluster);
  cluster.findGroupCoordinator = async (group) => {
    const broker = await findGroupCoordinator(group);
    watchJoins(broker, hooks);
    return broker;
  };
  // Called for its default only when a fetch was out of range: the other caller is replaced below.
  cluster.defaultOffset = () => {
    hooks.outOfRange();
    throw new RejoinError('offset out of range');
  };
  // Start offsets come from `seek` alone; kafkajs only wants some number here before it starts to fetch.
  cluster.fetchTopicsOffset = async (topics) =>
    topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition }) => ({ partition, offset: '0' })),
    }));
};

/** The group side of one consumer of kafkajs. */
export const createKafkaGroup = (groupId: string, hooks: GroupHooks): KafkaGroup => {
  let cluster: Cluster | undefined;
  return {
    assigner: (config) => {
      cluster = config.cluster;
      patchCluster(config.cluster, hooks);
      return kafkajs.PartitionAssigners.roundRobin(config);
    },
    commit: async ({ generationId, memberId, topic, partition, offset, metadata }) => {
      if (!cluster) throw new TransportError('LOG_UNAVAILABLE', 'the consumer has not started', { retryable: true });
      const coordinator = await cluster.findGroupCoordinator({ groupId });
      const partitions = [{ partition, offset: String(offset), metadata }];
      await coordinator.offsetCommit({
        groupId,
        groupGenerationId: generationId,
        memberId,
        topics: [{ topic, partitions }],
      });
    },
  };
};
